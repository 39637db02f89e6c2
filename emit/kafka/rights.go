package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Right is what an ACL allows, in the words of kafka-acls.
type Right struct {
	Operation string // Read, Write, Create, DescribeConfigs
	Resource  string // topic or transactional-id
	Name      string
}

// RefusedError is returned when the user has not the rights that are wanted.
type RefusedError struct {
	Missing []Right
	Err     error // of the broker
}

// Error names the resources, each with its operations.
func (e *RefusedError) Error() string {
	var texts []string
	for _, rights := range byResource(e.Missing) {
		var operations []string
		for _, right := range rights {
			operations = append(operations, right.Operation)
		}
		texts = append(texts, fmt.Sprintf("%s on %s %s", strings.Join(operations, ", "), rights[0].Resource, rights[0].Name))
	}
	return "no right to " + strings.Join(texts, ", nor to ")
}

func (e *RefusedError) Unwrap() error { return e.Err }

// checkRights returns a RefusedError with all that the user may not do with
// the topics, before anything is created or sent: later the broker's errors come
// one by one, and do not name the operation. A broker that does not tell
// (KIP-430, since Kafka 2.3) is taken to allow everything.
func (conn *Connection) checkRights(ctx context.Context, deliver bool) error {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range []string{conn.Topic, conn.CursorTopic} {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, topic)
	}
	resp, err := req.RequestWith(ctx, conn.client)
	if err != nil {
		return fmt.Errorf("ask %v for metadata: %w", conn.Brokers, err)
	}
	refused := &RefusedError{Err: kerr.TopicAuthorizationFailed}
	for _, topic := range resp.Topics {
		if topic.Topic == nil {
			continue
		}
		allowed := topic.AuthorizedOperations
		if topic.ErrorCode == kerr.TopicAuthorizationFailed.Code {
			allowed = 0
		} else if !allows(allowed, kmsg.ACLOperationDescribe) {
			continue // it described the topic: so it does not tell
		}
		for _, operation := range conn.wanted(*topic.Topic, deliver) {
			if !allows(allowed, operation) {
				refused.Missing = append(refused.Missing, Right{operationName(operation), "topic", *topic.Topic})
			}
		}
	}
	if len(refused.Missing) > 0 {
		return refused
	}
	return nil
}

// wanted returns what a delivery, or else a reader, does with a topic.
func (conn *Connection) wanted(topic string, deliver bool) []kmsg.ACLOperation {
	switch {
	case !deliver:
		return []kmsg.ACLOperation{kmsg.ACLOperationRead}
	case topic == conn.CursorTopic:
		return []kmsg.ACLOperation{kmsg.ACLOperationWrite, kmsg.ACLOperationRead, kmsg.ACLOperationDescribeConfigs}
	}
	return []kmsg.ACLOperation{kmsg.ACLOperationWrite}
}

// allows tells whether a set of authorized operations, one bit each, holds one.
func allows(set int32, operation kmsg.ACLOperation) bool { return set&(1<<operation) != 0 }

// operationName returns DescribeConfigs for DESCRIBE_CONFIGS.
func operationName(operation kmsg.ACLOperation) string {
	var b strings.Builder
	for word := range strings.SplitSeq(operation.String(), "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}

// refusedTo names the right behind an error of the broker that does not.
func refusedTo(err error, operation, resource, name string) error {
	if !IsRefused(err) {
		return err
	}
	return &RefusedError{[]Right{{operation, resource, name}}, err}
}

// grant returns the commands that give a user what is missing, one for each
// resource.
func (c *Config) grant(missing []Right) string {
	var commands []string
	for _, rights := range byResource(missing) {
		command := c.aclCommand("--add --allow-principal " + quote("User:"+c.user()))
		for _, right := range rights {
			command += " --operation " + right.Operation
		}
		commands = append(commands, command+" --"+rights[0].Resource+" "+quote(rights[0].Name))
	}
	return strings.Join(commands, " && ")
}

// byResource puts together the rights that follow each other on a resource.
func byResource(rights []Right) (groups [][]Right) {
	for i, right := range rights {
		if i == 0 || right.Resource != rights[i-1].Resource || right.Name != rights[i-1].Name {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], right)
	}
	return groups
}

// user returns whom the broker takes the client for.
func (c *Config) user() string {
	if c.Security.User == "" {
		return "ANONYMOUS"
	}
	return c.Security.User
}

// aclCommand returns a call of kafka-acls, as an administrator may paste it.
func (c *Config) aclCommand(arguments string) string {
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --command-config admin.properties %s", strings.Join(c.Brokers, ","), arguments)
}

// quote returns a word as a shell takes it.
func quote(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
