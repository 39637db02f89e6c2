package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

func checkCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "look whether a stream would work, before it begins",
		UsageText: "gen check [flags]",
		Description: "Looks at the catalogue, the state directory and the target, a line for each, with\n" +
			"the command that mends what is not right. For Kafka it also sends test events into\n" +
			"a topic of their own, reads them back, compares them, draws their ratings and\n" +
			"deletes the topic. Nothing else is changed:\n\n" +
			"  gen check\n" +
			"  gen check --to kafka://127.0.0.1:9092/ratings\n" +
			"  gen check --movies features/movies_features --genres features/genres_metadata\n\n" +
			"Exit status 4 when something is missing or wrong; a warning alone is 0.",
		Flags: concat(stateFlags(), clusterFlags(), catalogueFlags(), []cli.Flag{
			&cli.StringFlag{Name: "to", Value: "-", Usage: "`TARGET` to look at: - (none), a directory, or kafka://host:port/topic", Category: catOutput},
			runFlag(), shardFlag(),
			&cli.Uint64Flag{Name: "seed", Value: 42, Base: 10, Usage: "`SEED` of the events", Category: catSequence},
			&cli.IntFlag{Name: "send", Value: 20, Usage: "send `N` test events into a topic that is deleted again; 0: none", Category: catTarget},
		}),
		Action: func(c *cli.Context) error {
			o, err := parseCheck(c, e)
			if err != nil {
				return err
			}
			return runCheck(c.Context, e, o)
		},
	}
}

type checkOptions struct {
	state, to      string
	movies, genres string
	ownCatalogue   bool // --movies or --genres was given
	run            string
	seed           uint64
	send           uint64
	json           bool
	config         kafka.Config // of a Kafka target
	clientFile     string       // --kafka-config, for the commands of the remedies
}

// mostSent bounds --send: a look, not a load, and surely one transaction.
const mostSent = 5000

func parseCheck(c *cli.Context, e *env) (checkOptions, error) {
	o := checkOptions{
		state: c.String("state"), to: c.String("to"), movies: c.String("movies"), genres: c.String("genres"),
		ownCatalogue: c.IsSet("movies") || c.IsSet("genres"), run: runName(c), seed: c.Uint64("seed"), json: c.Bool("json"), clientFile: c.String("kafka-config"),
	}
	if o.to == "" || o.state == "" || o.movies == "" {
		return o, fmt.Errorf("%w: --to, --state and --movies must not be empty", errUsage)
	}
	send := c.Int("send")
	if send < 0 || send > mostSent {
		return o, fmt.Errorf("%w: --send %d: want 0 to %d", errUsage, send, mostSent)
	}
	o.send = uint64(send)
	var err error
	if strings.HasPrefix(o.to, kafka.Scheme) {
		o.config, err = parseCluster(c, e, o.to)
	}
	return o, err
}

// check is one thing to look at. Where one that it needs has failed it is not
// looked at.
type check struct {
	name  string
	needs []string
	look  func(ctx context.Context, x *checkup) finding
}

// checksOf returns the checks of a target, in the order in which they are made.
func checksOf(to string) []check {
	switch {
	case to == "-":
		return localChecks
	case strings.HasPrefix(to, kafka.Scheme):
		return append(localChecks[:len(localChecks):len(localChecks)], topicChecks...)
	}
	return append(localChecks[:len(localChecks):len(localChecks)], dirChecks...)
}

// checkup is what the checks have found so far.
type checkup struct {
	*env
	opts     checkOptions
	failed   map[string]string // by check: the one that is to blame
	compiled *core.Snapshot    // of the catalogue
	snapshot *core.Snapshot    // that a stream would draw from
	dir      files.Dir         // of a directory target
	topicLooks
	trial *trialAnswer
}

// finding is what a check found.
type finding struct {
	Check  string `json:"check"`
	Result result `json:"result"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // a command where there is one
}

type result string

// The results of a check.
const (
	resultOK      result = "ok"
	resultWarning result = "warning" // a stream would work
	resultMissing result = "missing" // it would not: something is not there
	resultWrong   result = "wrong"   // it would not: something is there and is not right
	resultSkipped result = "skipped"
)

func fine(format string, args ...any) finding {
	return finding{Result: resultOK, Text: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) finding {
	return finding{Result: resultWarning, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func missing(remedy, format string, args ...any) finding {
	return finding{Result: resultMissing, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func wrong(remedy, format string, args ...any) finding {
	return finding{Result: resultWrong, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// skipped says why a check was not made.
func skipped(why string) finding {
	return finding{Result: resultSkipped, Text: "not looked at: " + why}
}

func (r result) failed() bool { return r == resultMissing || r == resultWrong }

// checkAnswer is what check prints.
type checkAnswer struct {
	Target string       `json:"target"`
	OK     bool         `json:"ok"` // nothing is missing or wrong
	Checks []finding    `json:"checks"`
	Trial  *trialAnswer `json:"trial,omitempty"`
}

// checkPatience is how long one check may take.
const checkPatience = 30 * time.Second

func runCheck(ctx context.Context, e *env, o checkOptions) error {
	x := &checkup{env: e, opts: o, failed: map[string]string{}}
	defer x.close()
	a := checkAnswer{Target: o.to, OK: true}
	var unread error // standard output is closed: what was found counts all the same
	write := func(text string) {
		if !o.json && unread == nil {
			_, unread = io.WriteString(e.stdout, text)
		}
	}
	write("gen check --to " + o.to + "\n")
	for _, c := range checksOf(o.to) {
		f := x.look(ctx, c)
		if err := ctx.Err(); err != nil {
			return err
		}
		a.Checks = append(a.Checks, f)
		a.OK = a.OK && !f.Result.failed()
		write(f.text())
	}
	a.Trial = x.trial
	write(a.end())
	if o.json {
		unread = printJSON(e.stdout, a)
	}
	if !a.OK {
		return errFindings
	}
	return unread
}

// look makes one check, unless one that it needs has failed.
func (x *checkup) look(ctx context.Context, c check) finding {
	var f finding
	blame := ""
	for _, need := range c.needs {
		blame = cmp.Or(blame, x.failed[need])
	}
	if blame == "" {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		f = c.look(ctx, x)
	} else {
		f = skipped("see " + blame)
	}
	f.Check = c.name
	if f.Result.failed() {
		blame = c.name
	}
	x.failed[c.name] = blame
	return f
}

// The columns of a line: result, name and text; it ends before column 80.
const (
	nameColumn = 2 + 9
	textColumn = nameColumn + 13
	lineWidth  = 79
)

// text returns the line of a check, and its remedy in a line that is never
// broken: it is there to be pasted.
func (f finding) text() string {
	label := string(f.Result)
	if f.Result.failed() {
		label = strings.ToUpper(label)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %-9s%-13s", label, f.Check)
	column, indent := textColumn, "\n"+strings.Repeat(" ", textColumn)
	for i, word := range strings.Fields(f.Text) {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+width > lineWidth:
			b.WriteString(indent)
			column = textColumn
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	b.WriteByte('\n')
	if f.Remedy != "" {
		fmt.Fprintf(&b, "%*s%s\n", nameColumn, "", f.Remedy)
	}
	return b.String()
}

// end returns what stands behind the lines: the test events, and the result.
func (a checkAnswer) end() string {
	count := map[result]int{}
	for _, f := range a.Checks {
		count[f.Result]++
	}
	text := fmt.Sprintf("%d ok, %s, %d missing, %d wrong", count[resultOK], plural(count[resultWarning], "warning"), count[resultMissing], count[resultWrong])
	if n := count[resultSkipped]; n > 0 {
		text += fmt.Sprintf(", %d not looked at", n)
	}
	return a.Trial.text() + text + "\n"
}
