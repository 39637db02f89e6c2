package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func testLists(tb testing.TB, users int) *Sequence {
	tb.Helper()
	p := testParams()
	p.Users = users
	return &Sequence{testProfile(tb, "movielens", p), 42, ConstantSchedule(0, Rate{50, 1})}
}

func TestPermutationIsABijection(t *testing.T) {
	for _, size := range []uint64{1, 2, 3, 4, 5, 7, 20, 99, 100, 101, 1000, 65537, 1 << 20} {
		p := newPermutation(size, 42, LaneOrder, 3, 0, 0)
		seen := make([]bool, size)
		fixed := 0
		for x := range size {
			at := p.at(x)
			if at >= size || seen[at] {
				t.Fatalf("size %d: %d goes to %d, which is taken or out of range", size, x, at)
			}
			seen[at] = true
			if at == x {
				fixed++
			}
		}
		if size > 1000 && fixed > 10 {
			t.Errorf("size %d: %d numbers stay where they are", size, fixed)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 1<<62).Draw(t, "size")
		a, b := sides(size)
		if a*b < size || (a-1)*(a-1) >= size || a*(b-1) >= size {
			t.Fatalf("sides(%d) = %d, %d", size, a, b)
		}
		p := newPermutation(size, 1, LaneOrder, 0, 0, 0)
		if at := p.at(rapid.Uint64Range(0, size-1).Draw(t, "x")); at >= size {
			t.Fatalf("out of range: %d of %d", at, size)
		}
	})
}

func TestAnEpochIsAllListsOnce(t *testing.T) {
	eachProfile(t, func(t *testing.T, seq *Sequence) {
		if seq.Snapshot.Lists() != nil {
			testEpochs(t, seq)
		}
	})
}

func testEpochs(t *testing.T, seq *Sequence) {
	lists := seq.Snapshot.Lists()
	size := lists.Epoch()
	dst := make([]Event, size)
	for epoch := range uint64(3) {
		seq.Fill(dst, epoch*size)
		got := map[[2]uint32]int{}
		for _, e := range dst {
			got[[2]uint32{e.User, e.Movie}]++
		}
		want := map[[2]uint32]int{}
		for u := range lists.Users() {
			lists.EachRating(u, func(movie, _ uint32) { want[[2]uint32{uint32(epoch)*300 + uint32(u) + 1, movie}]++ })
		}
		if len(got) != int(size) || !mapsEqual(got, want) {
			t.Errorf("epoch %d: %d of %d pairs are distinct, or they are not those of the lists", epoch, len(got), size)
		}
	}
}

func mapsEqual(a, b map[[2]uint32]int) bool {
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return len(a) == len(b)
}

// TestSessionsHaveTheGapsOfMovieLens plays an epoch at the rate that the sessions
// are for. Without sessions the gaps are hours.
func TestSessionsHaveTheGapsOfMovieLens(t *testing.T) {
	quartiles := func(rate float64) [3]float64 {
		p := testParams()
		p.Users, p.Sessions = 20_000, rate
		seq := &Sequence{testProfile(t, "movielens", p), 42, ConstantSchedule(0, Rate{20, 1})}
		dst := make([]Event, seq.Snapshot.Lists().Epoch())
		seq.Fill(dst, 0)
		last, gaps := map[uint32]int64{}, []float64{}
		for _, e := range dst {
			if before, ok := last[e.User]; ok {
				gaps = append(gaps, float64(e.Time-before)/1000)
			}
			last[e.User] = e.Time
		}
		slices.Sort(gaps)
		n := len(gaps)
		return [3]float64{gaps[n/4], gaps[n/2], gaps[3*n/4]}
	}
	got := quartiles(20)
	for i, want := range [3]float64{3, 11, 34} {
		if got[i] < 0.75*want || got[i] > 1.25*want {
			t.Errorf("quartile %d of the gaps is %.1f s, want %v", i+1, got[i], want)
		}
	}
	if got := quartiles(0); got[0] < 60 {
		t.Errorf("without sessions the first quartile of the gaps is %.1f s", got[0])
	}
}

func TestUserIDsBeginAgainBeforeTheyOverflow(t *testing.T) {
	seq := testLists(t, 300)
	last := uint64(MaxID/300) * seq.Snapshot.Lists().Epoch()
	if before, behind := seq.Event(last-1).User, seq.Event(last).User; before > MaxID || before < MaxID-600 || behind > 300 {
		t.Errorf("userIds %d, then %d", before, behind)
	}
}

// TestListMethodsAgree draws one user's list many times by both methods: each
// movie must be in it as often. A race without the genres' part must not pass.
func TestListMethodsAgree(t *testing.T) {
	p := testParams()
	p.Users = 1
	s := testProfile(t, "movielens", p)
	lists := s.Lists()
	const size, rounds = 30, 2000
	counts := func(draw func(d *drawer)) []float64 {
		n := make([]float64, len(lists.Movies))
		for seed := range uint64(rounds) {
			t := *lists
			t.entries = nil
			draw(t.newDrawer(seed, testWeights(lists)))
			for _, e := range t.entries {
				n[e.movie()]++
			}
		}
		return n
	}
	proposed := counts(func(d *drawer) {
		if !d.propose(0, size) {
			t.Fatal("too few proposals")
		}
	})
	raced := counts(func(d *drawer) { d.race(0, size) })
	flat := counts(func(d *drawer) {
		for g := range d.genres {
			d.genres[g].sum = math.Inf(1)
		}
		d.race(0, size)
	})
	// Chi-square of two samples over the movies drawn often, normally distributed
	// for so many degrees of freedom.
	deviation := func(a, b []float64) float64 {
		sum, n := 0.0, 0.0
		for i := range a {
			if a[i]+b[i] >= 40 {
				sum += (a[i] - b[i]) * (a[i] - b[i]) / (a[i] + b[i])
				n++
			}
		}
		if n < 100 {
			t.Fatalf("only %v movies are drawn often", n)
		}
		return (sum - n) / math.Sqrt(2*n)
	}
	if d := deviation(proposed, raced); d > 4 {
		t.Errorf("the methods differ: %.1f standard deviations", d)
	}
	if d := deviation(proposed, flat); d < 4 {
		t.Errorf("a race without genres passes: %.1f standard deviations", d)
	}
}

func testWeights(t *ListTables) []float64 {
	weights := make([]float64, len(t.Movies))
	for i, m := range t.Movies {
		if m.Mask != 0 {
			weights[i] = 1 / float64(1+i%97)
		}
	}
	return weights
}

func TestNthSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(0, 9), 1, 200).Draw(t, "x")
		for i := range x {
			x[i] = math.Floor(x[i]) // with ties
		}
		n := rapid.IntRange(1, len(x)).Draw(t, "n")
		want := slices.Sorted(slices.Values(x))[n-1]
		if got := nthSmallest(x, n); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// movies returns a catalogue of n movies in a few genres of MovieLens.
func movies(tb testing.TB, n int) *Catalogue {
	tb.Helper()
	genres := []string{"Drama", "Comedy", "Action", "Romance"}
	list := make([]Movie, n)
	for i := range list {
		list[i] = Movie{ID: uint32(i + 1), Title: fmt.Sprint(i), Genres: []string{genres[i%4], genres[i%3]}[:1+i%2]}
	}
	cat, err := NewCatalogue("test", list)
	if err != nil {
		tb.Fatal(err)
	}
	return cat
}

func TestCataloguesOfAnySize(t *testing.T) {
	for _, c := range []struct{ movies, users, longest int }{
		{1, 10, 1}, {2, 10, 1}, {10, 10_000, 3}, {100, 500, 34}, {1_000_000, 50, 9254},
	} {
		p := DefaultParams()
		p.Users = c.users
		s, err := Compile("movielens", movies(t, c.movies), p)
		if err != nil {
			t.Fatal(err)
		}
		longest := 0
		for u := range c.users {
			longest = max(longest, s.Lists().Length(u))
		}
		if longest > c.longest {
			t.Errorf("%d movies: a user rates %d", c.movies, longest)
		}
		dst := make([]Event, 1000)
		(&Sequence{s, 1, ConstantSchedule(0, Rate{50, 1})}).Fill(dst, 0)
		for _, e := range dst {
			if e.Rating < 1 || e.Rating > 10 || s.Title(e.Movie) == "" {
				t.Fatalf("%d movies: event %+v", c.movies, e)
			}
		}
	}
}

func TestParametersOfOtherProfilesAreRefused(t *testing.T) {
	for profile, change := range map[string]func(*Params){
		"movielens": func(p *Params) { p.Noise = 1 },
		"document":  func(p *Params) { p.Alpha = 1 },
		"seed":      func(p *Params) { p.Fit = movieLens20M },
	} {
		p := testParams()
		change(&p)
		if _, err := Compile(profile, testCatalogue(t), p); !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", profile, err)
		}
	}
	p := DefaultParams()
	p.Users = 5_000_000
	if _, err := Compile("movielens", movies(t, 2000), p); !errors.Is(err, ErrParams) {
		t.Errorf("lists that are too long: %v", err)
	}
}

// TestFitFindsTheCurvesAgain fits the ratings of an epoch that was made by known
// curves: a population made by that fit must have their marginals.
func TestFitFindsTheCurvesAgain(t *testing.T) {
	cat := movies(t, 4000)
	p := DefaultParams()
	p.Users = 3000
	original, err := Compile("movielens", cat, p)
	if err != nil {
		t.Fatal(err)
	}
	refit := func(s *Snapshot, alter func(*Event)) (*Fit, []uint32) {
		f := NewFitter()
		dst := make([]Event, s.Lists().Epoch())
		(&Sequence{s, 1, ConstantSchedule(0, Rate{50, 1})}).Fill(dst, 0)
		counts := map[uint32]uint32{}
		for _, e := range dst {
			alter(&e)
			f.Add(e.User, e.Movie, e.Rating)
			counts[e.Movie]++
		}
		fit, err := f.Fit(4000)
		if err != nil {
			t.Fatal(err)
		}
		sorted := []uint32{}
		for _, n := range counts {
			sorted = append(sorted, n)
		}
		slices.SortFunc(sorted, func(a, b uint32) int { return int(b) - int(a) })
		return fit, sorted
	}
	var want []uint32
	p.Fit, want = refit(original, func(*Event) {})
	again, err := Compile("movielens", cat, p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := original.Shares(), again.Shares()
	for i := range a {
		if math.Abs(a[i]-b[i]) > 0.005 {
			t.Errorf("share of %v stars: %.4f, then %.4f", float64(i+1)/2, a[i], b[i])
		}
	}
	if r := float64(again.Lists().Epoch()) / float64(original.Lists().Epoch()); r < 0.97 || r > 1.03 {
		t.Errorf("an epoch has %.3f times as many ratings", r)
	}
	_, got := refit(again, func(*Event) {})
	for _, rank := range []int{0, 10, 100, 400, 1000} {
		if r := float64(got[rank]) / float64(want[rank]); r < 0.8 || r > 1.25 {
			t.Errorf("the movie of rank %d is rated %d times, in the original %d", rank+1, got[rank], want[rank])
		}
	}
}

func TestFitThatIsNoDistributionIsRefused(t *testing.T) {
	for name, change := range map[string]func(*Fit){
		"shares that do not sum to 1":      func(f *Fit) { f.Half[0] += 0.1 },
		"a share below 0":                  func(f *Fit) { f.Whole[1], f.Whole[3] = -0.1, f.Whole[3]+f.Whole[1]+0.1 },
		"more users than there are":        func(f *Fit) { f.HalfUsers = 1.1 },
		"activity that does not ascend":    func(f *Fit) { f.Activity[5] = f.Activity[4] - 1 },
		"popularity that does not descend": func(f *Fit) { f.Popularity[3] = 0.5 },
		"popularity NaN":                   func(f *Fit) { f.Popularity[3] = math.NaN() },
	} {
		fit := *movieLens20M
		change(&fit)
		p := DefaultParams()
		p.Users, p.Fit = 10, &fit
		if _, err := Compile("movielens", movies(t, 100), p); !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFitRefusesTooLittle(t *testing.T) {
	f := NewFitter()
	for movie := range uint32(100) {
		f.Add(1, movie, 8)
	}
	if _, err := f.Fit(100); !errors.Is(err, ErrParams) {
		t.Errorf("a fit to one user: %v", err)
	}
}

func BenchmarkFillLists(b *testing.B) {
	benchmarkFill(b, testLists(b, 10_000).Snapshot)
}

func BenchmarkFillSessions(b *testing.B) {
	p := testParams()
	p.Users, p.Sessions = 10_000, 50
	benchmarkFill(b, testProfile(b, "movielens", p))
}
