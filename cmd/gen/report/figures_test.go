package report

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gen/core"
	"gen/emit/catalogue"
)

// small is a snapshot of few users, and events of it.
func small(t testing.TB, profile string, users, count int) (*core.Snapshot, []core.Event) {
	t.Helper()
	cat, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	p := core.DefaultParams()
	p.Users = users
	s, err := core.Compile(profile, cat, p)
	if err != nil {
		t.Fatal(err)
	}
	seq := &core.Sequence{Snapshot: s, Seed: 42, Schedule: core.Schedule{Segments: []core.Segment{{Shape: core.Rate{Num: 50, Den: 1}}}}}
	events := make([]core.Event, count)
	seq.Fill(events, 0)
	return s, events
}

func figuresOf(t testing.TB, known Known, events []core.Event) *Figures {
	t.Helper()
	m := New(known)
	m.Add(events)
	f, err := m.Figures()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func almost(a, b float64) bool { return math.Abs(a-b) <= 1e-12*max(1, math.Abs(a), math.Abs(b)) }

// Seven events, whose figures can be computed by hand.
func TestFiguresByHand(t *testing.T) {
	const hour = 3_600_000
	known := Known{Genres: []string{"Comedy", "Drama"}, Movies: []core.MovieMask{{ID: 10, Mask: 1}, {ID: 20, Mask: 3}, {ID: 30, Mask: 2}}}
	f := figuresOf(t, known, []core.Event{
		{Time: 5 * hour, User: 1, Movie: 10, Rating: 8}, {Time: 5 * hour, User: 1, Movie: 20, Rating: 8},
		{Time: 6 * hour, User: 1, Movie: 10, Rating: 7}, {Time: 6 * hour, User: 2, Movie: 10, Rating: 2},
		{Time: 7 * hour, User: 2, Movie: 99, Rating: 2}, {Time: 7 * hour, User: 3, Movie: 20, Rating: 10},
		{Time: 29 * hour, User: 1 << 30, Movie: core.MaxID, Rating: 1},
	})
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"mean", f.Ratings.Mean, 19. / 7},
		{"half stars", f.Ratings.HalfStars, 2. / 7},
		{"users", float64(f.Users.Number), 4},
		{"ratings per user", f.Users.Mean, 7. / 4},
		{"median user", f.Users.Median, 1.5},
		{"Gini of users 1 1 2 3", f.Users.Gini, 2*(1.+2+6+12)/(4*7) - 5./4},
		{"top user", f.Users.Top1, 3. / 7},
		{"movies rated", float64(f.Movies.Number), 4},
		{"movies of the catalogue and unknown", float64(f.Movies.Catalogue.Number), 5},
		{"unknown movies", float64(f.Movies.Unknown), 2},
		{"repeats", float64(f.Repeats.Events), 1},
		{"comedy", f.Genres.List[0].Share, 5. / 7},
		{"drama", f.Genres.List[1].Share, 2. / 7},
		{"hour 5, of two days", f.Hours.Shares[5], 3. / 7},
		{"rate", f.Time.Rate, 6. / (24 * 3600)},
	} {
		if !almost(c.got, c.want) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestNoEvents(t *testing.T) {
	if _, err := New(Known{}).Figures(); err == nil {
		t.Error("no event, and no error")
	}
	// One event alone has figures that JSON can hold.
	f := figuresOf(t, Known{}, []core.Event{{Time: -1, User: 1, Movie: 1, Rating: 1}})
	if _, err := json.Marshal(f); err != nil {
		t.Errorf("one event: %v", err)
	}
	page := Page{Figures: f, Goals: Judge("", f)}
	if err := page.Write(io.Discard); err != nil {
		t.Errorf("one event: %v", err)
	}
	if f.Hours.Shares[23] != 1 {
		t.Errorf("a millisecond before 1970 is in hour 23: %v", f.Hours.Shares)
	}
}

// The order of the events, and how many goroutines add them, change no digit.
func TestOrderChangesNothing(t *testing.T) {
	s, events := small(t, "seed", 300, 60_000)
	want, err := json.Marshal(figuresOf(t, KnownOf(s), events))
	if err != nil {
		t.Fatal(err)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	m := New(KnownOf(s))
	var group sync.WaitGroup
	for part := range slices.Chunk(events, 7001) {
		group.Go(func() { m.Add(part) })
	}
	group.Wait()
	f, err := m.Figures()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("shuffled:\n%s\nin order:\n%s", got, want)
	}
}

func TestDistribution(t *testing.T) {
	equal := distributionOf([]uint32{5, 5, 5, 5})
	if !almost(equal.Gini, 0) || equal.SD != 0 || equal.Median != 5 {
		t.Errorf("four alike: %+v", equal)
	}
	one := distributionOf([]uint32{0, 0, 0, 8})
	if !almost(one.Gini, .75) || one.Top1 != 1 || one.SD != 4 || one.P75 != 2 {
		t.Errorf("one has all: %+v", one)
	}
	if d := distance([]float64{1, 0}, []float64{0, 5}); d != (Distance{1, 1}) {
		t.Errorf("disjoint: %+v, want 1 bit and 1", d)
	}
	if d := distance([]float64{1, 3}, []float64{2, 6}); d != (Distance{}) {
		t.Errorf("proportional: %+v, want 0", d)
	}
}

// A bias model explains ratings that are made of biases, and no noise.
func TestBias(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	events := make([]core.Event, 0, 200_000)
	noise := make([]core.Event, 0, 200_000)
	for user := range uint32(400) {
		for movie := range uint32(500) {
			events = append(events, core.Event{User: user + 1, Movie: movie + 1, Rating: uint8(1 + user%5 + movie%6)})
			noise = append(noise, core.Event{User: user + 1, Movie: movie + 1, Rating: uint8(1 + random.IntN(10))})
		}
	}
	if b := figuresOf(t, Known{}, events).Bias; b.R2 < .99 || b.HeldOut < 19_000 || b.HeldOut > 21_000 {
		t.Errorf("biases alone: %+v, want R2 of 1 and a tenth held out", b)
	}
	if b := figuresOf(t, Known{}, noise).Bias; math.Abs(b.R2) > .02 {
		t.Errorf("noise alone: %+v, want R2 of 0", b)
	}
}

// The tests of the formulas accept the profile seed, and refuse each way to break
// it.
func TestSeedGoals(t *testing.T) {
	s, events := small(t, "seed", 500, 400_000)
	failed := func(events []core.Event) (names []string) {
		for _, g := range Judge("seed", figuresOf(t, KnownOf(s), events)) {
			if g.Met == nil || !*g.Met {
				names = append(names, g.Name)
			}
		}
		return names
	}
	if names := failed(events); names != nil {
		t.Errorf("the profile seed fails %v", names)
	}
	for _, c := range []struct {
		name, goal string
		mutate     func(i int, e *core.Event)
	}{
		{"one rating in 20 half a star higher", "Ratings as the formulas say", func(i int, e *core.Event) {
			if i%20 == 0 && e.Rating < 10 {
				e.Rating++
			}
		}},
		{"one event in 20 by user 1", "Users drawn alike", func(i int, e *core.Event) {
			if i%20 == 0 {
				e.User = 1
			}
		}},
		{"one event in 20 of one movie", "Movies drawn alike within a genre", func(i int, e *core.Event) {
			if i%20 == 0 {
				e.Movie = s.Tables().Movies[0].ID
			}
		}},
		{"one event in 20 of one movie", "Genres of the ratings as the users' weights say", func(i int, e *core.Event) {
			if i%20 == 0 {
				e.Movie = s.Tables().Movies[0].ID
			}
		}},
	} {
		mutant := slices.Clone(events)
		for i := range mutant {
			c.mutate(i, &mutant[i])
		}
		if names := failed(mutant); !slices.Contains(names, c.goal) {
			t.Errorf("control: %s: %q does not fail, only %v", c.name, c.goal, names)
		}
	}
}

// real returns the figures of MovieLens-20M.
func realFigures() *Figures {
	f := &Figures{Count: 20_000_000, Bias: &Bias{R2: realBiasR2}, Genres: &Genres{}, AffinityCorrelation: ptr(realAffinityCorr)}
	f.Ratings = Ratings{Mean: realMean, SD: realSD, Skew: realSkew, HalfStars: realHalfStars}
	f.Users = Users{Distribution: Distribution{Gini: realUserGini, Mean: realUserMean, Median: realUserMedian, Min: realUserMin}, Enough: realUsers, MeanSD: .45, NoHalfStars: realNoHalfStars}
	f.Movies = Movies{Distribution: Distribution{Gini: .903, Top1: .337, Top10: .860}, Enough: 10_000, MeanSD: realMovieMeanSD}
	return f
}

// MovieLens-20M meets every goal that is judged, and each figure that is not its
// own fails its goal.
func TestRealGoals(t *testing.T) {
	if v := Verdict(Judge("movielens", realFigures())); v != "10 of 10 goals met, 3 not judged" {
		t.Errorf("MovieLens-20M itself: %s", v)
	}
	for goal, change := range map[int]func(f *Figures){
		1:  func(f *Figures) { f.Ratings.MovieLens.TV = .04 },
		2:  func(f *Figures) { f.Ratings.Skew = -.4 },
		3:  func(f *Figures) { f.Users.NoHalfStars = .1 },
		4:  func(f *Figures) { f.Users.Min = 19 },
		5:  func(f *Figures) { f.Movies.Top1 = .3 },
		6:  func(f *Figures) { f.Repeats.Events = 1 },
		7:  func(f *Figures) { f.Genres.MovieLens.JSD = .006 },
		9:  func(f *Figures) { f.Movies.MeanSD = .2 },
		10: func(f *Figures) { *f.AffinityCorrelation = .9 },
		11: func(f *Figures) { f.Bias.R2 = .12 },
	} {
		f := realFigures()
		change(f)
		for _, g := range Judge("movielens", f) {
			if met := g.Met == nil || *g.Met; met == (g.Number == goal) {
				t.Errorf("goal %d broken: goal %d %q is met: %v", goal, g.Number, g.Name, met)
			}
		}
	}
}

// What users do is judged of a whole epoch only.
func TestPartOfEpoch(t *testing.T) {
	f := realFigures()
	for epoch, want := range map[uint64]bool{0: true, f.Count: true, f.Count + 1: false} {
		f.Epoch = epoch
		if g := Judge("movielens", f)[3]; (g.Met != nil) != want {
			t.Errorf("%d events of an epoch of %d: %q is judged: %v, want %v", f.Count, epoch, g.Name, !want, want)
		}
	}
}

// The users of a snapshot that come again under other ids are the same users.
func TestUsersComeAgain(t *testing.T) {
	s, events := small(t, "seed", 300, 60_000)
	want := figuresOf(t, KnownOf(s), events)
	for i := range events {
		events[i].User += uint32(i%3) * 300
	}
	got := figuresOf(t, KnownOf(s), events)
	if !almost(*got.AffinityCorrelation, *want.AffinityCorrelation) || got.Users.Number != 900 {
		t.Errorf("correlation %v of %d users, want %v of 900", *got.AffinityCorrelation, got.Users.Number, *want.AffinityCorrelation)
	}
	for i := range events {
		events[i].User = 1 + events[i].User%300
	}
	if got := figuresOf(t, KnownOf(s), events); *got.AffinityCorrelation > .7 {
		t.Errorf("control: the ratings of other users have a correlation of %v", *got.AffinityCorrelation)
	}
}

// The document's tables meet their goals; a point that is moved does not.
func TestDocumentGoals(t *testing.T) {
	table := func(ratings [10]float64, drama float64) []Goal {
		f := &Figures{Count: 1_000_000, Genres: &Genres{}}
		f.Ratings.Shares = ratings
		f.Ratings.Document = distance(ratings[:], documentRatings[:])
		for name, share := range documentGenres {
			if name == "Drama" {
				share = drama
			}
			f.Genres.List = append(f.Genres.List, Genre{Name: name, Top3: ptr(share)})
		}
		return Judge("document", f)
	}
	moved := documentRatings
	moved[5], moved[6] = moved[5]+.03, moved[6]-.03
	for _, c := range []struct {
		name            string
		goals           []Goal
		ratings, genres bool
	}{
		{"the tables themselves", table(documentRatings, .3245), true, true},
		{"three points of the ratings moved", table(moved, .3245), false, true},
		{"Drama two points higher", table(documentRatings, .3445), true, false},
	} {
		if *c.goals[0].Met != c.ratings || *c.goals[1].Met != c.genres {
			t.Errorf("%s: met %v and %v, want %v and %v", c.name, *c.goals[0].Met, *c.goals[1].Met, c.ratings, c.genres)
		}
	}
}

func TestItemsAt(t *testing.T) {
	if s, ok := itemsAt(1_000_000); !ok || s.gini != .834 {
		t.Errorf("itemsAt(1M) = %+v, %v", s, ok)
	}
	half := math.Sqrt(100_000 * 400_000)
	if s, ok := itemsAt(half); !ok || !almost(s.gini, (.720+.799)/2) {
		t.Errorf("itemsAt(%.0f) = %+v, %v, want halfway", half, s, ok)
	}
	for _, events := range []float64{99_999, 21_000_000} {
		if _, ok := itemsAt(events); ok {
			t.Errorf("itemsAt(%.0f) is known", events)
		}
	}
}

func TestPage(t *testing.T) {
	s, events := small(t, "seed", 100, 20_000)
	f := figuresOf(t, KnownOf(s), events)
	p := Page{Target: `<b>"x"</b>`, Profile: "seed", Figures: f, Goals: Judge("seed", f), Identity: []Row{{"snapshot", s.ID()}}, Commands: []string{"gen dump"}}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{s.ID(), "&lt;b&gt;", "goals met", "gen dump", `prefers-color-scheme: dark`, "@media print"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	for _, never := range []string{"<script", "src=", "<b>", "url(", "NaN", "Inf", "ZgotmplZ", "#0", "opacity"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if drawn, labelled := strings.Count(page, "<svg"), strings.Count(page, `role="img" aria-label="`); drawn < 6 || drawn != labelled {
		t.Errorf("%d drawings, %d of them with a text", drawn, labelled)
	}
	if strings.Count(page, "var(--a)") < 10 {
		t.Error("the drawings have no colours of the style sheet")
	}
}

func BenchmarkMeasure(b *testing.B) {
	s, events := small(b, "seed", 10_000, 1_000_000)
	for b.Loop() {
		figuresOf(b, KnownOf(s), events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}
