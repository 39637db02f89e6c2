// Package kafka delivers events into a topic exactly once.
//
// Start with Delivery.Deliver, and with Connect for reading. Every transaction
// holds some events and the cursor record that covers them, as Kafka Connect
// keeps source offsets (KIP-618): what a read_committed consumer sees and what the
// cursor says never differ.
//
// # Cursor
//
// The cursor record goes to a compacted topic under the key topic/run/i-of-s:
// shard i of s. Its value is a Cursor in JSON. Kafka is the truth; the state
// directory holds a copy. What a delivery does with both is the table of decide.
//
// # Placement
//
// The key of an event is the decimal userId, and its partition the one that
// Kafka's default partitioner chooses, of the number of partitions that the run
// began with. Inside a partition events stand in the order of the sequence.
//
// # Header
//
// Each record carries the header "gen": 8 bytes of the run's identity and 8
// bytes with the number of the event, both big-endian; see RunID.
//
// # Shards
//
// Shard i of s delivers the events of the partitions p with p mod s = i, with a
// transactional id and a cursor of its own. What lands in a partition does not
// depend on s. A cursor says for each of the shard's partitions which event is
// next there, as another number of shards leaves them at different ones.
//
// # Generations
//
// A generation is a number of shards from some moment on. Its record, a Generation
// in JSON under the key topic/run/generation, is written by whoever changes the
// number, with the transactional id gen:topic:run:generation. A run without one is
// in generation 1, of one shard. A cursor counts only in its own generation.
//
// A shard begins, and begins again after each error, in this order:
//
//	S1  InitProducerID with its own id: it is the only one with it now
//	S2  read the generation, committed and up to the end that the partition has
//	    after S1; go on only if that is complete and has s shards
//	S3  read its cursor; where there is none of this generation, its partitions
//	    stand where the generation's record says
//
// Who finds another number of shards, or --restart, changes the generation:
//
//	G1  InitProducerID with the generation's id: nobody else can write the record
//	G2  read the generation, as in S2; is there still anything to change, and would
//	    G5 refuse it? then nobody is shut out
//	G3  commit a record that the next generation is pending, and what was before
//	G4  InitProducerID with every id of the generation before; what that ends is
//	    awaited, and a transaction that hangs is settled
//	G5  read the cursors of the generation before; decide, by the table of decide
//	G6  commit the record: complete, and where each partition stands
//
// No event is sent twice, nor left out. A shard of the generation before that has
// passed S1 before G4 is fenced by G4, and what it has committed until then is read
// in G5. One that passes S1 after G4 reads in S2 what was committed in G3, and
// refuses. No shard of the next generation passes S2 before G6.
//
// Two who change it at a time: the one that passes G1 first cannot commit G3 or G6
// any more, and begins again. Who dies between G3 and G6 leaves a pending
// generation, in which nobody sends: the next shard of that number of shards goes
// on with G1, and with another number replaces it. That every new shard may do so
// needs no agreement. G4 does not pass over the id of the shard that does it, which
// begins anew: between its S1 and G3 another process may have taken the id.
//
// An old shard and a change back to its number of shards are the same command. So a
// number that the run has had before is refused, unless --take-over says that it is
// meant, while a new number is taken for a change, when the shards of the
// generation have been quiet for as long as for another owner. A process that has
// sent events never changes the generation, and ends when another one has.
//
// # Rights
//
// A delivery wants Write on the topic and on its transactional id; Write, Read
// and DescribeConfigs on the cursor topic; Create on a topic that is missing.
// Read on the topic lets it look for hanging transactions, and for records of a
// run without a cursor, so that a second run wants it. A reader wants Read on
// both topics.
package kafka
