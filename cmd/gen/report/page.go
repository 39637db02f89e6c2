package report

import (
	_ "embed" // of the page
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Page is what one report shows.
type Page struct {
	Target   string
	Identity []Row
	Commands []string // that make the same events again
	Notes    []string // that a reader must know
	Profile  string   // "" of data that gen has not made
	Figures  *Figures
	Goals    []Goal
}

// Row is a name and its value.
type Row struct{ Name, Value string }

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"value": Part.valueText, "real": Part.realText, "target": Part.targetText, "words": wordsOf, "sign": signOf, "class": classOf,
	"style": func() template.CSS { return template.CSS(pageCSS) },
}).Parse(pageHTML))

// Write draws the page: one HTML document that needs nothing from elsewhere and
// runs no script.
func (p *Page) Write(w io.Writer) error {
	drawn, err := pictures(p.Figures)
	if err != nil {
		return err
	}
	v := verdictOf(p.Goals)
	state := "good"
	if v.met < v.judged {
		state = "warn"
	}
	return pageTemplate.Execute(w, struct {
		*Page
		Verdict, State string
		Tiles          []tile
		Tables         []besides
		Pictures       []Picture
	}{p, Verdict(p.Goals), state, p.tiles(), p.beside(), drawn})
}

// tile is a figure to see first.
type tile struct{ Name, Value, Note string }

func (p *Page) tiles() []tile {
	f := p.Figures
	span := "drawn in memory"
	if t := f.Time; t != nil {
		span = fmt.Sprintf("%s to %s", timeText(t.First), timeText(t.Last))
		if t.Rate > 0 {
			span += ", " + short(t.Rate) + "/s"
		}
	}
	tiles := []tile{
		{"Events", grouped(f.Count), span},
		{"Users", grouped(uint64(f.Users.Number)), fmt.Sprintf("median %s, at most %s ratings", short(f.Users.Median), short(f.Users.Max))},
		{"Movies rated", grouped(uint64(f.Movies.Number)), p.ofCatalogue()},
		{"Mean rating", fmt.Sprintf("%.3f", f.Ratings.Mean), fmt.Sprintf("sd %.3f, skew %+.3f", f.Ratings.SD, f.Ratings.Skew)},
	}
	if f.Lag != nil {
		tiles = append(tiles, tile{"Lag p99", grouped(uint64(max(0, f.Lag.P99))) + " ms", fmt.Sprintf("p50 %d, p99.9 %d, max %d ms", f.Lag.P50, f.Lag.P999, f.Lag.Max)})
	}
	return tiles
}

func (p *Page) ofCatalogue() string {
	if c := p.Figures.Movies.Catalogue; c != nil {
		return "of " + grouped(uint64(c.Number)) + " in the catalogue"
	}
	return "median " + short(p.Figures.Movies.Median) + " ratings"
}

// besides are figures beside those of MovieLens-20M.
type besides struct {
	Title string
	Parts []Part
}

func (p *Page) beside() []besides {
	f := p.Figures
	return []besides{{"Ratings beside MovieLens-20M", besideRatings(f)}, {"Users beside MovieLens-20M", besideUsers(f.Users)}, {"Movies beside MovieLens-20M", besideMovies(f.Movies)}}
}

// realRow returns a figure and that of MovieLens-20M.
func realRow(name string, value, reality float64, unit string) Part {
	return Part{Name: name, Value: &value, Real: &reality, Unit: unit}
}

func besideRatings(f *Figures) []Part {
	r := f.Ratings
	list := []Part{
		realRow("ratings", float64(f.Count), realCount, count),
		realRow("mean, stars", r.Mean, realMean, ""),
		realRow("standard deviation", r.SD, realSD, ""),
		realRow("skew", r.Skew, realSkew, ""),
		realRow("half stars", r.HalfStars, realHalfStars, percent),
		realRow("shares: JSD, bits", r.MovieLens.JSD, 0, ""),
		realRow("shares: TV", r.MovieLens.TV, 0, ""),
		realRow("repeated (user, movie) pairs", f.Repeats.Share, 0, percent),
	}
	if f.Genres != nil {
		list = append(list, realRow("genre shares: JSD, bits", f.Genres.MovieLens.JSD, 0, ""))
	}
	if f.AffinityCorrelation != nil {
		list = append(list, realRow("correlation with the affinity", *f.AffinityCorrelation, realAffinityCorr, ""))
	}
	if f.Bias != nil {
		list = append(list, realRow("bias model, R2 of a tenth held out", f.Bias.R2, realBiasR2, ""))
	}
	return list
}

func besideUsers(u Users) []Part {
	list := []Part{
		realRow("users", float64(u.Number), realUsers, count),
		realRow("ratings of a user: mean", u.Mean, realUserMean, ""),
		realRow("median", u.Median, realUserMedian, ""),
		realRow("standard deviation", u.SD, realUserSD, ""),
		realRow("least", u.Min, realUserMin, count),
		realRow("most", u.Max, realUserMax, count),
		realRow("Gini", u.Gini, realUserGini, ""),
		realRow("share of the top 1%", u.Top1, realUserTop1, percent),
		realRow("share of the top 10%", u.Top10, realUserTop10, percent),
	}
	if u.Enough > 1 {
		list = append(list, realRow("never give a half star", u.NoHalfStars, realNoHalfStars, percent), realRow("sd of their means, stars", u.MeanSD, realUserMeanSD, ""))
	}
	return list
}

func besideMovies(m Movies) []Part {
	list := []Part{
		realRow("movies rated", float64(m.Number), realMovies, count),
		realRow("ratings of a movie: mean", m.Mean, realMovieMean, ""),
		realRow("median", m.Median, realMovieMedian, ""),
		realRow("standard deviation", m.SD, realMovieSD, ""),
		realRow("most", m.Max, realMovieMax, count),
		realRow("Gini", m.Gini, realMovieGini, ""),
		realRow("share of the top 1%", m.Top1, realMovieTop1, percent),
		realRow("share of the top 10%", m.Top10, realMovieTop10, percent),
	}
	if c := m.Catalogue; c != nil {
		list = append(list, realRow("catalogue", float64(c.Number), realCatalogue, count))
	}
	if m.Enough > 1 {
		list = append(list, realRow("sd of their means, stars", m.MeanSD, realMovieMeanSD, ""))
	}
	return list
}

func (p Part) valueText() string { return p.text(p.Value) }
func (p Part) realText() string  { return p.text(p.Real) }

func (p Part) targetText() string {
	switch {
	case p.Min != nil && p.Max != nil:
		return p.bound(*p.Min) + " to " + p.bound(*p.Max)
	case p.Max != nil && *p.Max == 0:
		return "exactly 0"
	case p.Max != nil:
		return "≤\u00a0" + p.bound(*p.Max)
	case p.Min != nil:
		return "≥\u00a0" + p.bound(*p.Min)
	}
	return ""
}

// bound returns a bound without needless digits.
func (p Part) bound(x float64) string {
	sign := ""
	if p.Unit == percent {
		x, sign = 100*x, "%"
	}
	return strconv.FormatFloat(math.Round(x*1e4)/1e4, 'f', -1, 64) + sign
}

func (p Part) text(x *float64) string {
	switch {
	case x == nil:
		return "–"
	case p.Unit == percent:
		return strconv.FormatFloat(100**x, 'f', 1, 64) + "%"
	case p.Unit == count:
		return grouped(uint64(*x))
	}
	return short(*x)
}

// signOf, wordsOf and classOf return the sign, the words and the style of what is
// met, not met, or not judged.
func signOf(met *bool) string  { return choose(met, "✓", "✗", "") }
func wordsOf(met *bool) string { return choose(met, " met", " not met", "–") }
func classOf(met *bool) string { return choose(met, "yes", "no", "") }

func choose(met *bool, yes, no, open string) string {
	switch {
	case met == nil:
		return open
	case *met:
		return yes
	}
	return no
}

// short returns a number with about three digits behind the first.
func short(x float64) string {
	size := math.Abs(x)
	switch {
	case x == math.Trunc(x) && size < 1e9:
		if x >= 0 {
			return grouped(uint64(x))
		}
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size < 5e-5:
		return strconv.FormatFloat(x, 'e', 1, 64)
	case size < .01:
		return strconv.FormatFloat(x, 'f', 4, 64)
	case size < 100:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// grouped returns a whole number with commas: 20,000,263.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") }
