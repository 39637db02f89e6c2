package core

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// What holds for every profile: a new one is tested by being listed.

func eachProfile(t *testing.T, test func(t *testing.T, seq *Sequence)) {
	for _, name := range Profiles() {
		p := testParams()
		p.Users = 300
		run := func(t *testing.T) {
			test(t, &Sequence{testProfile(t, name, p), 42, ConstantSchedule(1735689600000, Rate{50, 1})})
		}
		t.Run(name, run)
		if ProfileHas(name, "sessions") {
			p.Sessions = 50
			t.Run(name+" with sessions", run)
		}
	}
}

// anyEvent draws the number of an event, often near the border of an epoch.
func anyEvent(t *rapid.T, s *Snapshot) uint64 {
	if lists := s.Lists(); lists != nil && rapid.Bool().Draw(t, "near a border") {
		border := rapid.Uint64Range(1, 3).Draw(t, "epoch") * lists.Epoch()
		return border + rapid.Uint64Range(0, 600).Draw(t, "off") - 300
	}
	return rapid.Uint64Range(0, maxEvents-1000).Draw(t, "n")
}

func TestFillEqualsEvent(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		rapid.Check(t, func(t *rapid.T) {
			n := anyEvent(t, seq.Snapshot)
			dst := make([]Event, rapid.IntRange(0, 700).Draw(t, "k"))
			seq.Fill(dst, n)
			for i, got := range dst {
				if want := seq.Event(n + uint64(i)); got != want {
					t.Fatalf("Fill(%d)[%d] = %v, Event(%d) = %v", n, i, got, n+uint64(i), want)
				}
			}
		})
	})
}

func TestUsersEqualFill(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		rapid.Check(t, func(t *rapid.T) {
			n := anyEvent(t, seq.Snapshot)
			events := make([]Event, rapid.IntRange(0, 700).Draw(t, "k"))
			users := make([]uint32, len(events))
			of := Sequence{seq.Snapshot, rapid.Uint64().Draw(t, "seed"), seq.Schedule}
			of.Fill(events, n)
			of.Users(users, n)
			for i, got := range users {
				if want := events[i].User; got != want {
					t.Fatalf("Users(%d)[%d] = %d, Fill has %d", n, i, got, want)
				}
			}
		})
	})
}

func TestExplainTellsTheEvent(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		rapid.Check(t, func(t *rapid.T) {
			n := anyEvent(t, seq.Snapshot)
			got, x := seq.Event(n), seq.Snapshot.Explain(seq.Seed, n)
			if x.User != got.User || x.Movie != got.Movie || x.Rating != got.Stars() || x.Chance <= 0 {
				t.Fatalf("Explain(%d) = %+v, Event = %v", n, x, got)
			}
			if mean, _, err := seq.Snapshot.Truth(got.User, got.Movie); err != nil || mean != x.Expected {
				t.Fatalf("Truth of event %d = %v, %v, Explain says %v", n, mean, err, x.Expected)
			}
		})
	})
}

func TestPickEqualsEvent(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		rapid.Check(t, func(t *rapid.T) {
			ns := make([]uint64, rapid.IntRange(0, 300).Draw(t, "k"))
			for i := range ns {
				ns[i] = anyEvent(t, seq.Snapshot)
			}
			dst := make([]Event, len(ns))
			seq.Pick(dst, ns)
			for i, n := range ns {
				if want := seq.Event(n); dst[i] != want {
					t.Fatalf("Pick(%d) = %v, Event = %v", n, dst[i], want)
				}
			}
		})
	})
}

func TestEventsDependOnBothSeeds(t *testing.T) {
	for _, name := range Profiles() {
		p := testParams()
		p.Users = 300
		s := testProfile(t, name, p)
		p.Seed++
		other := testProfile(t, name, p)
		events := func(s *Snapshot, seed uint64) []Event {
			dst := make([]Event, 1000)
			(&Sequence{s, seed, ConstantSchedule(0, Rate{50, 1})}).Fill(dst, 0)
			return dst
		}
		for what, dst := range map[string][]Event{"seed": events(s, 43), "population": events(other, 42)} {
			same := 0
			for i, e := range events(s, 42) {
				if e.User == dst[i].User && e.Movie == dst[i].Movie && e.Rating == dst[i].Rating {
					same++
				}
			}
			if same > 100 { // by chance: a genre may have few movies
				t.Errorf("%s: with another %s %d of 1000 events are the same", name, what, same)
			}
		}
	}
}

func TestSharesAreThoseOfTheEvents(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		n := 400_000
		if lists := seq.Snapshot.Lists(); lists != nil {
			n = int(lists.Epoch()) * (n/int(lists.Epoch()) + 1) // shares are those of whole epochs
		}
		var counts [10]float64
		dst := make([]Event, n)
		seq.Fill(dst, 0)
		for _, e := range dst {
			counts[e.Rating-1]++
		}
		chi2 := func(shares [10]float64) (sum float64) {
			for i, p := range shares {
				want := p * float64(n)
				sum += (counts[i] - want) * (counts[i] - want) / want
			}
			return sum
		}
		// 9 degrees of freedom: above 33.7 in one of 10,000 samples.
		shares := seq.Snapshot.Shares()
		if got := chi2(shares); got > 33.7 {
			t.Errorf("chi-square of the rating shares is %.1f", got)
		}
		shares[5], shares[6] = shares[5]+0.005, shares[6]-0.005
		if got := chi2(shares); got < 33.7 {
			t.Errorf("shares that are wrong by half a point pass: chi-square %.1f", got)
		}
	})
}

func TestDecodeReadsWhatCompileWrote(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		s := seq.Snapshot
		got, err := Decode(s.Recipe, s.Titles(), s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got.ID() != s.ID() || !reflect.DeepEqual(got.model, s.model) || !reflect.DeepEqual(got.Recipe, s.Recipe) {
			t.Error("the decoded snapshot is another one")
		}
		for at := 0; at < len(s.Bytes()); at += 1 + at/10 {
			if _, err := Decode(s.Recipe, s.Titles(), s.Bytes()[:at]); !errors.Is(err, ErrSnapshot) && !errors.Is(err, ErrFormat) {
				t.Errorf("Decode of %d of %d bytes: %v", at, len(s.Bytes()), err)
			}
		}
	})
}

func TestDecodeNeverPanics(t *testing.T) {
	for _, name := range Profiles() {
		t.Run(name, func(t *testing.T) {
			p := testParams()
			p.Users = 3
			s := testProfile(t, name, p)
			rapid.Check(t, func(t *rapid.T) {
				b := append([]byte(nil), s.Bytes()...)
				for range rapid.IntRange(1, 4).Draw(t, "flips") {
					at := rapid.IntRange(0, min(len(b)-1, 600)).Draw(t, "at")
					if rapid.Bool().Draw(t, "from the end") {
						at = len(b) - 1 - at
					}
					b[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
				}
				got, err := Decode(s.Recipe, s.Titles(), b)
				if err == nil {
					seq := Sequence{got, 1, ConstantSchedule(0, Rate{1, 1})}
					seq.Fill(make([]Event, 200), 0)
				}
			})
		})
	}
}

func TestFillDoesNotAllocate(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		dst := make([]Event, 1000)
		if got := testing.AllocsPerRun(100, func() { seq.Fill(dst, 77) }); got != 0 {
			t.Errorf("Fill allocates %v times", got)
		}
		ns := make([]uint64, len(dst))
		if got := testing.AllocsPerRun(100, func() { seq.Pick(dst, ns) }); got != 0 {
			t.Errorf("Pick allocates %v times", got)
		}
	})
}
