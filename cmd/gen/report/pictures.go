package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
)

// Picture is a drawing with what a reader needs to know of it.
type Picture struct {
	Title  string
	Legend []Key
	SVG    template.HTML
	Note   string
	Tall   bool
}

// Key is an entry of a legend.
type Key struct{ Class, Name string }

// The legend of the pictures.
var (
	ourKey     = Key{"a", "these events"}
	theirKey   = Key{"b", "MovieLens-20M"}
	profileKey = Key{"d", "expected by the snapshot"}
)

func pictures(f *Figures) ([]Picture, error) {
	var list []Picture
	for _, picture := range []func(*Figures) (*Picture, error){drawRatings, drawActivity, drawPopularity, drawHours, drawPartitions, drawGenres, drawPreferred} {
		p, err := picture(f)
		if err != nil {
			return nil, err
		}
		if p != nil {
			list = append(list, *p)
		}
	}
	return list, nil
}

func drawRatings(f *Figures) (*Picture, error) {
	c := bars{names: make([]string, 10), ours: f.Ratings.Shares[:], theirs: realShares(), x: "rating, stars", y: "% of the ratings"}
	for i := range c.names {
		c.names[i] = fmt.Sprintf("%.1f", stars(i))
	}
	if f.Expected != nil {
		c.expected = f.Expected.Ratings[:]
	}
	return c.picture("Ratings")
}

func drawGenres(f *Figures) (*Picture, error) {
	if f.Genres == nil {
		return nil, nil
	}
	list := make([]genreRow, len(f.Genres.List))
	for i, g := range f.Genres.List {
		list[i] = genreRow{name: g.Name, ours: g.Share, theirs: realGenres[g.Name]}
		if f.Expected != nil && f.Expected.Draws != nil {
			list[i].expected = &f.Expected.Draws.Genres[i]
		}
	}
	p, err := genreBars(list, "% of the ratings").picture("Genres of the movies rated")
	if p != nil {
		p.Note = "Ratings whose movie has the genre: one with two counts for both."
	}
	return p, err
}

func drawPreferred(f *Figures) (*Picture, error) {
	if f.Genres == nil || len(f.Genres.List) == 0 || f.Genres.List[0].Top3 == nil {
		return nil, nil
	}
	var list []genreRow
	for _, g := range f.Genres.List {
		list = append(list, genreRow{name: g.Name, ours: *g.Top3, theirs: documentGenres[g.Name]})
	}
	p, err := genreBars(list, "% of the users").picture("Preferred genres of the users")
	if p != nil {
		p.Legend, p.Note = []Key{{"a", "the snapshot's users"}, {"b", "the document's table"}}, "Users with the genre among their three heaviest."
	}
	return p, err
}

// genreRow is one genre of a picture.
type genreRow struct {
	name         string
	ours, theirs float64
	expected     *float64
}

// genreBars draws the largest on top.
func genreBars(list []genreRow, label string) bars {
	slices.SortStableFunc(list, func(a, b genreRow) int {
		return cmp.Or(cmp.Compare(a.ours, b.ours), cmp.Compare(a.theirs, b.theirs))
	})
	c := bars{across: true, y: label}
	for _, g := range list {
		c.names, c.ours, c.theirs = append(c.names, g.name), append(c.ours, g.ours), append(c.theirs, g.theirs)
		if g.expected != nil {
			c.expected = append(c.expected, *g.expected)
		}
	}
	return c
}

func drawHours(f *Figures) (*Picture, error) {
	if f.Hours == nil {
		return nil, nil
	}
	c := bars{names: make([]string, 24), ours: f.Hours.Shares[:], theirs: realHours[:], x: "hour of the day, UTC", y: "% of the events"}
	for h := 0; h < len(c.names); h += 3 {
		c.names[h] = strconv.Itoa(h)
	}
	return c.picture("Hours of the day")
}

func drawPartitions(f *Figures) (*Picture, error) {
	if len(f.Partitions) < 2 {
		return nil, nil
	}
	c := bars{x: "partition", y: "% of the events"}
	every := (len(f.Partitions) + 19) / 20 // as many labels as there is room for
	for i, p := range f.Partitions {
		name := ""
		if i%every == 0 {
			name = strconv.Itoa(int(p.Partition))
		}
		c.names, c.ours = append(c.names, name), append(c.ours, float64(p.Events)/float64(f.Count))
	}
	return c.picture("Partitions")
}

func drawActivity(f *Figures) (*Picture, error) {
	c := curves{ours: f.Users.Curve, theirs: realActivity, x: "ratings of a user, at least", y: "% of the users"}
	return c.picture("Activity of the users")
}

func drawPopularity(f *Figures) (*Picture, error) {
	c := curves{ours: f.Movies.Curve, theirs: realPopularity, x: "rank of the movie", y: "% of the ratings"}
	p, err := c.picture("Popularity of the movies")
	if p != nil {
		p.Note = "MovieLens-20M as a curve fitted to it."
	}
	return p, err
}
