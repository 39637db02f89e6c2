package core

// Run is the identity and the cursor of one run: what a state directory, a
// target directory and a Kafka cursor record hold.
type Run struct {
	Name     string   `json:"run"`
	Target   string   `json:"target"`   // canonical URL, see the sink
	Snapshot string   `json:"snapshot"` // Snapshot.ID
	Recipe   Recipe   `json:"recipe"`
	Seed     uint64   `json:"seed"`
	Format   int      `json:"format"` // FormatVersion
	Schedule Schedule `json:"schedule"`
	From     uint64   `json:"from"` // the first event of the run
	Next     uint64   `json:"next"` // every event before it is delivered
	Done     bool     `json:"done"` // the run has reached its end
	// Incarnation counts how often the run was begun anew in its target; what
	// Next means is told by both.
	Incarnation uint32 `json:"incarnation"`
	// Shard is the part of the run whose cursor this is, as Shard.String has it;
	// empty stands for all of it.
	Shard string `json:"shard,omitempty"`
}

// Ahead tells whether the run has delivered more than o: later events, or any
// of a later incarnation.
func (r Run) Ahead(o Run) bool {
	return r.Next > 0 && (r.Incarnation > o.Incarnation || r.Incarnation == o.Incarnation && r.Next > o.Next)
}

// SameEvents tells whether both runs deliver the same users, movies and
// ratings: snapshot, seed and format version agree.
func (r Run) SameEvents(o Run) bool {
	return r.Snapshot == o.Snapshot && r.Seed == o.Seed && r.Format == o.Format
}
