package report

import (
	"testing"

	"gen/core"
	"gen/emit/catalogue"
)

// judged returns the goals of a population of a profile over an epoch, or over a
// million events where there is none.
func judged(t *testing.T, profile, by string, users int, seed uint64) []Goal {
	t.Helper()
	cat, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	p := core.DefaultParams()
	p.Users, p.Seed = users, seed
	s, err := core.Compile(profile, cat, p)
	if err != nil {
		t.Fatal(err)
	}
	count := uint64(1_000_000)
	if lists := s.Lists(); lists != nil {
		count = lists.Epoch()
	}
	events := make([]core.Event, count)
	(&core.Sequence{Snapshot: s, Seed: 42, Schedule: core.ConstantSchedule(0, core.Rate{Num: 50, Den: 1})}).Fill(events, 0)
	return Judge(by, figuresOf(t, KnownOf(s), events))
}

// met counts the goals that are met, and names those that are not.
func met(t *testing.T, goals []Goal, say func(string, ...any)) (count int) {
	t.Helper()
	for _, g := range goals {
		switch {
		case g.Met == nil:
		case *g.Met:
			count++
		default:
			for _, part := range g.Parts {
				say("%s: %s is %v", g.Name, part.Name, *part.Value)
			}
		}
	}
	return count
}

func TestProfilesMeetTheirGoals(t *testing.T) {
	for seed := range uint64(5) {
		if n := met(t, judged(t, "document", "document", 10_000, seed), t.Errorf); n != 3 {
			t.Errorf("document of seed %d meets %d goals of 3", seed, n)
		}
	}
	for seed := range uint64(2) {
		if n := met(t, judged(t, "movielens", "movielens", 7000, seed), t.Errorf); n != 10 {
			t.Errorf("movielens of seed %d meets %d goals of 10", seed, n)
		}
	}
	// Controls: the platform's formulas meet neither.
	if n := met(t, judged(t, "seed", "document", 10_000, 1), t.Logf); n != 1 {
		t.Errorf("seed meets %d goals of document; only that of its own tables was expected", n)
	}
	if n := met(t, judged(t, "seed", "movielens", 10_000, 1), t.Logf); n > 1 {
		t.Errorf("seed meets %d goals of movielens", n)
	}
}
