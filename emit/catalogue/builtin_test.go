package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gen/core"
)

// builtinGolden is the catalogue's SHA-256. Recipes carry it: another value is
// another catalogue, never an edit of this one.
const builtinGolden = "890f86649d819a847df9cd0543f6c9bc94fca1b04341a8d0db2745d5bee0f960"

var builtinOnce = sync.OnceValues(Builtin)

// builtinForTest returns a catalogue whose movies may be replaced.
func builtinForTest(t *testing.T) *core.Catalogue {
	t.Helper()
	cat, err := builtinOnce()
	if err != nil {
		t.Fatalf("Builtin() = %v", err)
	}
	return &core.Catalogue{Kind: cat.Kind, Movies: slices.Clone(cat.Movies)}
}

func TestBuiltinGolden(t *testing.T) {
	for range 2 {
		cat, err := Builtin()
		if err != nil {
			t.Fatalf("Builtin() = %v", err)
		}
		if got := cat.SHA256(); got != builtinGolden {
			t.Errorf("Builtin().SHA256() = %s, want %s", got, builtinGolden)
		}
	}
}

func TestBuiltinFigures(t *testing.T) {
	for _, fault := range builtinFaults(builtinForTest(t)) {
		t.Error(fault)
	}
}

// Each row breaks one figure, and the check of the figures must say so.
func TestBuiltinFiguresControl(t *testing.T) {
	movies := func(genre string) func(core.Movie) bool {
		return func(m core.Movie) bool { return slices.Contains(m.Genres, genre) }
	}
	rows := []struct {
		name   string
		mutate func([]core.Movie) []core.Movie
		want   string
	}{
		{"a movie is missing", func(m []core.Movie) []core.Movie { return m[:len(m)-1] }, "27277 movies"},
		{"ids begin at 2", func(m []core.Movie) []core.Movie { m[0].ID = 2; return m }, "first movieId 2"},
		{"two ids are the same", func(m []core.Movie) []core.Movie { m[9].ID = m[8].ID; return m }, "does not ascend"},
		{"ids are dense", func(m []core.Movie) []core.Movie {
			for i := range m[:len(m)-1] {
				m[i].ID = uint32(i) + 1
			}
			return m
		}, "movieIds up to 9100"},
		{"a title stands twice", func(m []core.Movie) []core.Movie { m[5].Title = m[4].Title; return m }, "stands twice"},
		{"a title has no year", func(m []core.Movie) []core.Movie { m[5].Title = "Harbor, The"; return m }, "has no year"},
		{"a title has a tab", func(m []core.Movie) []core.Movie { m[5].Title = "Old\tHarbor (1987)"; return m }, "has no year"},
		{"a title is of the future", func(m []core.Movie) []core.Movie { m[5].Title = "Harbor, The (2016)"; return m }, "years"},
		{"nothing is recent", func(m []core.Movie) []core.Movie {
			for i := range m {
				m[i].Title = fmt.Sprintf("Harbor %d (%d)", i, 1891+i%100)
			}
			return m
		}, "since 1990"},
		{"a genre is one short", func(m []core.Movie) []core.Movie {
			i := slices.IndexFunc(m, movies("War"))
			m[i].Genres = []string{"Western"}
			return m
		}, "War stands on 1193 movies"},
		{"a movie has one genre more", func(m []core.Movie) []core.Movie {
			i := slices.IndexFunc(m, func(m core.Movie) bool { return len(m.Genres) == 1 && m.Genres[0] == "Drama" })
			m[i].Genres = []string{"Drama", "War"}
			return m
		}, "1 genres stand on 10828 movies"},
		{"genres are out of order", func(m []core.Movie) []core.Movie {
			i := slices.IndexFunc(m, func(m core.Movie) bool { return len(m.Genres) == 3 })
			m[i].Genres = slices.Clone(m[i].Genres)
			slices.Reverse(m[i].Genres)
			return m
		}, "not in order"},
		{"genres are dealt without regard to pairs", func(m []core.Movie) []core.Movie {
			mix := builtinDeal()
			for i := range m {
				m[i].Genres = nil
				for g := range builtinGenres {
					if i < len(mix.mask) && mix.mask[i]>>g&1 == 1 {
						m[i].Genres = append(m[i].Genres, builtinGenres[g].name)
					}
				}
			}
			return m
		}, "Animation and Children"},
		{"the unlisted have a genre", func(m []core.Movie) []core.Movie {
			i := slices.IndexFunc(m, movies("(no genres listed)"))
			m[i].Genres = []string{"(no genres listed)", "Drama"}
			return m
		}, "(no genres listed) stands beside others"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			cat := builtinForTest(t)
			cat.Movies = row.mutate(cat.Movies)
			faults := strings.Join(builtinFaults(cat), "\n")
			if !strings.Contains(faults, row.want) {
				t.Errorf("faults found: %q, want one with %q", faults, row.want)
			}
		})
	}
}

// builtinFaults compares a catalogue with the published counts of
// MovieLens-20M and says what differs.
func builtinFaults(cat *core.Catalogue) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if len(cat.Movies) != 27278 || cat.Kind != "builtin" {
		fault("%d movies of kind %q, want 27278 of kind builtin", len(cat.Movies), cat.Kind)
	}
	builtinIDFaults(cat.Movies, fault)
	builtinTitleFaults(cat.Movies, fault)
	builtinGenreFaults(cat.Movies, fault)
	builtinPairFaults(cat.Movies, fault)
	return faults
}

type builtinFault func(format string, args ...any)

func builtinIDFaults(movies []core.Movie, fault builtinFault) {
	if first, last := movies[0].ID, movies[len(movies)-1].ID; first != 1 || last != 131262 {
		fault("first movieId %d, last %d, want 1 and 131262", first, last)
	}
	dense, widest := 1, uint32(0)
	for i := 1; i < len(movies); i++ {
		if movies[i].ID <= movies[i-1].ID {
			fault("movieId %d does not ascend", movies[i].ID)
		}
		if movies[i].ID <= 9100 {
			dense++
			widest = max(widest, movies[i].ID-movies[i-1].ID)
		}
	}
	if dense != 9000 || widest > 5 {
		fault("%d movieIds up to 9100, gaps up to %d, want 9000 and at most 5", dense, widest)
	}
}

// builtinSplit cuts "Harbor, The (1987)" into its words and its year. It
// returns 0 for a title of another shape, or with characters that only a form
// may have.
func builtinSplit(title string) (words string, year int) {
	words, rest, ok := strings.Cut(title, " ("+title[max(0, len(title)-5):])
	if !ok || rest != "" || words == "" || !strings.HasSuffix(title, ")") || strings.ContainsAny(title, "\t\r\n%~") {
		return "", 0
	}
	year, err := strconv.Atoi(title[len(title)-5 : len(title)-1])
	if err != nil {
		return "", 0
	}
	return words, year
}

func builtinTitleFaults(movies []core.Movie, fault builtinFault) {
	seen := map[string]bool{}
	bases := map[string]bool{}
	commas, quotes, accents := 0, 0, 0
	oldest, newest, recent := 9999, 0, 0
	for _, m := range movies {
		if seen[m.Title] {
			fault("title %q stands twice", m.Title)
		}
		seen[m.Title] = true
		words, year := builtinSplit(m.Title)
		if year == 0 {
			fault("title %q has no year at its end, or strange characters", m.Title)
			continue
		}
		bases[words] = true
		oldest, newest = min(oldest, year), max(newest, year)
		if year >= 1990 {
			recent++
		}
		if strings.Contains(m.Title, ",") {
			commas++
		}
		if strings.Contains(m.Title, `"`) {
			quotes++
		}
		if strings.IndexFunc(m.Title, func(r rune) bool { return r > 127 }) >= 0 {
			accents++
		}
	}
	if oldest != 1891 || newest != 2015 {
		fault("years %d to %d, want 1891 to 2015", oldest, newest)
	}
	if share := recent * 100 / len(movies); share < 57 || share > 67 {
		fault("%d%% of the movies are made since 1990, want 57 to 67", share)
	}
	if len(bases) < 25000 {
		fault("%d titles without the year, want at least 25000", len(bases))
	}
	if commas < 8000 || quotes < 200 || accents < 500 {
		fault("%d titles with commas, %d with quotes, %d with accents", commas, quotes, accents)
	}
}

func builtinGenreFaults(movies []core.Movie, fault builtinFault) {
	genres, sizes, tokens, most := map[string]int{}, map[int]int{}, 0, 0
	for _, m := range movies {
		for _, g := range m.Genres {
			genres[g]++
		}
		tokens += len(m.Genres)
		most = max(most, len(m.Genres))
		sizes[min(len(m.Genres), 7)]++
		if !slices.IsSorted(m.Genres) || len(slices.Compact(slices.Clone(m.Genres))) != len(m.Genres) {
			fault("genres %v of movie %d are not in order", m.Genres, m.ID)
		}
		if len(m.Genres) > 1 && slices.Contains(m.Genres, "(no genres listed)") {
			fault("(no genres listed) stands beside others: %v", m.Genres)
		}
	}
	if tokens != 54406 || most != 10 {
		fault("%d genres in all, %d at most, want 54406 and 10", tokens, most)
	}
	for k, want := range []int{0, 10829, 8809, 5330, 1724, 477, 83, 26} {
		if sizes[k] != want {
			fault("%d genres stand on %d movies, want %d", k, sizes[k], want)
		}
	}
	want := map[string]int{
		"Drama": 13344, "Comedy": 8374, "Thriller": 4178, "Romance": 4127, "Action": 3520,
		"Crime": 2939, "Horror": 2611, "Documentary": 2471, "Adventure": 2329, "Sci-Fi": 1743,
		"Mystery": 1514, "Fantasy": 1412, "War": 1194, "Children": 1139, "Musical": 1036,
		"Animation": 1027, "Western": 676, "Film-Noir": 330, "(no genres listed)": 246, "IMAX": 196,
	}
	if len(genres) != len(want) {
		fault("%d genres, want %d", len(genres), len(want))
	}
	for g, n := range want {
		if genres[g] != n {
			fault("%s stands on %d movies, want %d", g, genres[g], n)
		}
	}
}

func builtinPairFaults(movies []core.Movie, fault builtinFault) {
	pairs, counts := map[[2]string]int{}, map[string]int{}
	for _, m := range movies {
		for i, g := range m.Genres {
			counts[g]++
			for _, h := range m.Genres[:i] {
				pairs[[2]string{h, g}]++
			}
		}
	}
	// Counts within 5%, lifts (pairs times movies over both counts) within 15%.
	for _, row := range []struct {
		g, h string
		want int
	}{
		{"Drama", "Romance", 2573}, {"Comedy", "Drama", 2546}, {"Comedy", "Romance", 1895},
		{"Drama", "Thriller", 1868}, {"Crime", "Drama", 1712},
	} {
		if got := pairs[[2]string{row.g, row.h}]; got*100 < row.want*95 || got*100 > row.want*105 {
			fault("%s and %s meet on %d movies, want about %d", row.g, row.h, got, row.want)
		}
	}
	for _, row := range []struct {
		g, h     string
		min, max int64 // lift in hundredths
	}{
		{"Animation", "Children", 935, 1265},
		{"Children", "Fantasy", 451, 609},
		{"Crime", "Film-Noir", 434, 586},
		{"Action", "Adventure", 200, 500},
		{"Action", "Sci-Fi", 200, 500},
		{"Horror", "Thriller", 150, 400},
		{"Mystery", "Thriller", 150, 500},
		{"Drama", "War", 120, 200},
		{"Children", "Horror", 0, 30},
		{"Documentary", "Drama", 0, 30},
		{"Drama", "Sci-Fi", 0, 80},
	} {
		met, either := int64(pairs[[2]string{row.g, row.h}]), int64(counts[row.g])*int64(counts[row.h])
		lift := met * int64(len(movies)) * 100 / max(1, either)
		if lift < row.min || lift > row.max {
			fault("%s and %s have a lift of %d%%, want %d to %d", row.g, row.h, lift, row.min, row.max)
		}
	}
	alone := 0
	for _, m := range movies {
		if len(m.Genres) == 1 && m.Genres[0] == "Documentary" {
			alone++
		}
	}
	if alone*100 < counts["Documentary"]*70 {
		fault("%d of %d documentaries have no other genre, want 70%%", alone, counts["Documentary"])
	}
}

// The exchanges end within two movies of every pair of the table.
func TestBuiltinPairsReached(t *testing.T) {
	pairs := map[[2]string]int{}
	for _, m := range builtinForTest(t).Movies {
		for i, g := range m.Genres {
			for _, h := range m.Genres[:i] {
				pairs[[2]string{h, g}]++
			}
		}
	}
	for _, genre := range builtinGenres {
		for i, wanted := range genre.pairs {
			other := builtinGenres[i+1].name
			if got := pairs[[2]string{other, genre.name}]; got < int(wanted)-2 || got > int(wanted)+2 {
				t.Errorf("%s and %s meet on %d movies, want %d", other, genre.name, got, wanted)
			}
		}
	}
}

// Genres lie where they belong among the years, and the lower ids are those of
// the catalogue's first years.
func TestBuiltinYears(t *testing.T) {
	noir, imax := 0, 0
	for _, m := range builtinForTest(t).Movies {
		_, year := builtinSplit(m.Title)
		if slices.Contains(m.Genres, "Film-Noir") && year >= 1940 && year < 1960 {
			noir++
		}
		if slices.Contains(m.Genres, "IMAX") && year >= 2000 {
			imax++
		}
		if m.ID <= 9100 && year > 2008 {
			t.Errorf("movie %d is of %d, want at most 2008", m.ID, year)
		}
	}
	if noir < 300 || imax < 180 {
		t.Errorf("%d of 330 Film-Noir from 1940 to 1959 and %d of 196 IMAX since 2000, want 300 and 180", noir, imax)
	}
}

func BenchmarkBuiltin(b *testing.B) {
	for b.Loop() {
		if _, err := Builtin(); err != nil {
			b.Fatal(err)
		}
	}
}
