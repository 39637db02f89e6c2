package core

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// testCatalogue is 3,000 movies in 20 genres of very different sizes.
func testCatalogue(tb testing.TB) *Catalogue {
	tb.Helper()
	var movies []Movie
	for i := range 3000 {
		w := Philox(1, 99, [4]uint64{uint64(i)})
		a, b := below(w[0], 20), below(w[1], 20)
		m := Movie{ID: uint32(i*4 + 1), Title: fmt.Sprint("Movie ", i), Genres: SplitGenres(fmt.Sprintf("G%02d|G%02d", a*b/20, b))}
		if i%100 == 0 {
			m.Genres = []string{"Unknown"}
		}
		movies = append(movies, m)
	}
	cat, err := NewCatalogue("test", movies)
	if err != nil {
		tb.Fatal(err)
	}
	return cat
}

func testGenres() (genres []string) {
	for i := range 20 {
		genres = append(genres, fmt.Sprintf("G%02d", i))
	}
	return genres
}

func testParams() Params {
	p := DefaultParams()
	p.Users, p.Genres = 2000, testGenres()
	return p
}

func testSnapshot(tb testing.TB, p Params) *Snapshot {
	tb.Helper()
	return testProfile(tb, "seed", p)
}

func testProfile(tb testing.TB, profile string, p Params) *Snapshot {
	tb.Helper()
	s, err := Compile(profile, testCatalogue(tb), p)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func testSequence(tb testing.TB) *Sequence {
	return &Sequence{testSnapshot(tb, testParams()), 42, ConstantSchedule(1735689600000, Rate{50, 1})}
}

func TestPhiloxKnownAnswers(t *testing.T) {
	// Random123 1.14.0, tests/kat_vectors, philox4x64 10.
	const ones = math.MaxUint64
	for _, c := range []struct {
		counter [4]uint64
		key     [2]uint64
		want    [4]uint64
	}{
		{[4]uint64{}, [2]uint64{}, [4]uint64{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}},
		{[4]uint64{ones, ones, ones, ones}, [2]uint64{ones, ones}, [4]uint64{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}},
		{[4]uint64{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}, [2]uint64{0x452821e638d01377, 0xbe5466cf34e90c6c},
			[4]uint64{0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6}},
	} {
		if got := Philox(c.key[0], Lane(c.key[1]), c.counter); got != c.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", c.key, c.counter, got, c.want)
		}
	}
}

func TestMurmur2KnownAnswers(t *testing.T) {
	// apache/kafka, clients, UtilsTest.testMurmur2.
	for in, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(Murmur2([]byte(in))); got != want {
			t.Errorf("Murmur2(%q) = %d, want %d", in, got, want)
		}
	}
	for user := uint32(1); user < 1000; user++ {
		if p := Partition(user, 6); p < 0 || p > 5 {
			t.Errorf("Partition(%d, 6) = %d", user, p)
		}
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"0/1": {0, 1}, "2/3": {2, 3}, "0-of-3": {0, 3}} {
		got, err := ParseShard(text)
		if err != nil || got != want {
			t.Errorf("ParseShard(%q) = %v, %v, want %v", text, got, err, want)
		}
		if again, err := ParseShard(got.String()); err != nil || again != got {
			t.Errorf("ParseShard(%q) = %v, %v, want %v", got, again, err, got)
		}
	}
	for _, text := range []string{"", "1", "/", "3/3", "4/3", "-1/3", "0/0", "a/3", "0/99999", "0/3/1", "+0/3", " 0/3"} {
		if got, err := ParseShard(text); !errors.Is(err, ErrShard) {
			t.Errorf("ParseShard(%q) = %v, %v, want ErrShard", text, got, err)
		}
	}
	if got := (Shard{}).String(); got != "0-of-1" {
		t.Errorf("the zero shard is %s, want 0-of-1", got)
	}
}

// Every partition, and everything in a range, is exactly one shard's.
func TestShardsAreDisjoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.IntRange(1, 50).Draw(t, "s")
		n := rapid.Uint64Range(0, 200).Draw(t, "n")
		next, owners := uint64(0), make([]int, 100)
		for i := range s {
			shard := Shard{i, s}
			from, to := shard.Range(n)
			if from != next || to < from || to-from > n/uint64(s)+1 {
				t.Fatalf("%v of %d is %d to %d, want it from %d on", shard, n, from, to, next)
			}
			next = to
			for p := range owners {
				if shard.Owns(p) {
					owners[p]++
				}
			}
		}
		for p, k := range owners {
			if k != 1 {
				t.Fatalf("%d shards of %d own partition %d", k, s, p)
			}
		}
		if next != n {
			t.Fatalf("the shards end at %d of %d", next, n)
		}
	})
}

func TestEventBounds(t *testing.T) {
	cat := testCatalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		p := testParams()
		p.Users = rapid.IntRange(1, 50).Draw(t, "users")
		p.TopK = rapid.IntRange(1, 20).Draw(t, "topK")
		p.Alpha = math.Exp(rapid.Float64Range(math.Log(0.001), math.Log(1000)).Draw(t, "ln alpha"))
		p.Noise = rapid.SampledFrom([]float64{0, 0.01, 0.3, 10}).Draw(t, "noise")
		p.Seed = rapid.Uint64().Draw(t, "population")
		s, err := Compile("seed", cat, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Tables().check(); err != nil {
			t.Fatal(err)
		}
		seq := Sequence{s, rapid.Uint64().Draw(t, "seed"), ConstantSchedule(0, Rate{50, 1})}
		dst := make([]Event, 300)
		seq.Fill(dst, rapid.Uint64Range(0, maxEvents).Draw(t, "n"))
		for _, e := range dst {
			if e.User < 1 || e.User > uint32(p.Users) || e.Rating < 1 || e.Rating > 10 || s.Title(e.Movie) == "" {
				t.Fatalf("event out of bounds: %+v", e)
			}
		}
	})
}

func TestUnlistedMoviesAreNeverDrawn(t *testing.T) {
	seq := testSequence(t)
	if got := seq.Snapshot.Tables().Unlisted(); got != 30 {
		t.Errorf("Unlisted() = %d, want 30", got)
	}
	dst := make([]Event, 1_000_000)
	seq.Fill(dst, 0)
	for n, e := range dst {
		if (e.Movie-1)/4%100 == 0 {
			t.Fatalf("event %d draws movie %d, which has no listed genre", n, e.Movie)
		}
	}
}

func TestParamsAndCataloguesThatAreRefused(t *testing.T) {
	cat := testCatalogue(t)
	for name, c := range map[string]struct {
		change func(*Params)
		want   error
	}{
		"no users":                 {func(p *Params) { p.Users = 0 }, ErrParams},
		"alpha 0":                  {func(p *Params) { p.Alpha = 0 }, ErrParams},
		"alpha below 0":            {func(p *Params) { p.Alpha = -1 }, ErrParams},
		"alpha NaN":                {func(p *Params) { p.Alpha = math.NaN() }, ErrParams},
		"noise NaN":                {func(p *Params) { p.Noise = math.NaN() }, ErrParams},
		"top-k 0":                  {func(p *Params) { p.TopK = 0 }, ErrParams},
		"top-k over the genres":    {func(p *Params) { p.TopK = 21 }, ErrParams},
		"max-genres over the mask": {func(p *Params) { p.MaxGenres = 33 }, ErrParams},
		"genre without movies":     {func(p *Params) { p.Genres = []string{"G01", "Nowhere"} }, ErrCatalogue},
	} {
		p := testParams()
		c.change(&p)
		if _, err := Compile("seed", cat, p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Compile("nothing", cat, testParams()); !errors.Is(err, ErrParams) {
		t.Errorf("unknown profile: %v", err)
	}
	for name, movies := range map[string][]Movie{
		"empty": nil, "ID 0": {{ID: 0}}, "ID too large": {{ID: MaxID + 1}}, "ID twice": {{ID: 7}, {ID: 8}, {ID: 7}},
	} {
		if _, err := NewCatalogue("test", movies); !errors.Is(err, ErrCatalogue) {
			t.Errorf("NewCatalogue of %s: %v", name, err)
		}
	}
}

func TestMaxGenresKeepsTheMostFrequent(t *testing.T) {
	cat, err := NewCatalogue("test", []Movie{{ID: 1, Genres: []string{"a", "b"}}, {ID: 2, Genres: []string{"c", "b"}}, {ID: 3, Genres: []string{"c", "d"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cat.selectGenres(nil, 3)
	want := []Genre{{"a", 1}, {"b", 2}, {"c", 2}} // a before d by name
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("selectGenres = %v, %v, want %v", got, err, want)
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		testSnapshot(b, DefaultParams())
	}
}

func BenchmarkPhilox(b *testing.B) {
	var sink uint64
	var n uint64
	for b.Loop() {
		w := Philox(42, LaneEvent, [4]uint64{n, 0, 0, 0})
		sink ^= w[0] ^ w[1] ^ w[2] ^ w[3]
		n++
	}
}

func BenchmarkFill(b *testing.B) {
	benchmarkFill(b, testSnapshot(b, DefaultParams()))
}

func benchmarkFill(b *testing.B, s *Snapshot) {
	seq := Sequence{s, 42, ConstantSchedule(1735689600000, Rate{50, 1})}
	dst := make([]Event, 8192)
	var n uint64
	for b.Loop() {
		seq.Fill(dst, n)
		n += uint64(len(dst))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// A partition's events: every sixth or so, one at a time and together.
func BenchmarkPick(b *testing.B) {
	s := testSnapshot(b, DefaultParams())
	seq := Sequence{s, 42, ConstantSchedule(1735689600000, Rate{50, 1})}
	ns, dst := make([]uint64, 8192), make([]Event, 8192)
	for i := range ns {
		ns[i] = uint64(6 * i)
	}
	for name, run := range map[string]func(){
		"Pick": func() { seq.Pick(dst, ns) },
		"Event": func() {
			for i, n := range ns {
				dst[i] = seq.Event(n)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ns)), "ns/event")
		})
	}
}

// What a shard pays for an event of somebody else's partition.
func BenchmarkUsers(b *testing.B) {
	for _, name := range Profiles() {
		b.Run(name, func(b *testing.B) {
			seq := Sequence{testProfile(b, name, testParams()), 42, ConstantSchedule(1735689600000, Rate{50, 1})}
			dst := make([]uint32, 1024)
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				seq.Users(dst, n)
				n += uint64(len(dst))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
		})
	}
}
