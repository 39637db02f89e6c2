package report

import (
	"fmt"
	"math"
	"slices"
)

// Goal is one row of the goals' table: it is met when each of its parts is.
type Goal struct {
	Number int    `json:"number"` // from 1
	Name   string `json:"goal"`
	Parts  []Part `json:"parts"`
	Met    *bool  `json:"met"`            // nil: not judged
	Note   string `json:"note,omitempty"` // why it is not judged, or how
}

// Part is one value of a goal.
type Part struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"`          // nil: not known
	Real  *float64 `json:"movieLens"`      // of MovieLens-20M; nil: there is none
	Min   *float64 `json:"min,omitempty"`  // nil: no bound
	Max   *float64 `json:"max,omitempty"`  // nil: no bound
	Unit  string   `json:"unit,omitempty"` // percent: of a share of 1; count: whole
	Met   *bool    `json:"met"`
}

const (
	percent = "percent"
	count   = "count"
)

// verdict is how many goals are met.
type verdict struct{ met, judged, open int }

func verdictOf(goals []Goal) (v verdict) {
	for _, g := range goals {
		switch {
		case g.Met == nil:
			v.open++
		case *g.Met:
			v.met++
			fallthrough
		default:
			v.judged++
		}
	}
	return v
}

// Verdict returns how many goals are met, in words.
func Verdict(goals []Goal) string {
	v := verdictOf(goals)
	s := fmt.Sprintf("%d of %d goals met", v.met, v.judged)
	if v.open > 0 {
		s += fmt.Sprintf(", %d not judged", v.open)
	}
	return s
}

// judges are the goals by profile; "" stands for data that gen has not made.
var judges = map[string]func(*Figures) []Goal{
	"":          realGoals,
	"movielens": realGoals,
	"document":  documentGoals,
	"seed":      seedGoals,
}

// Judge returns the goals of a profile, "" for data that gen has not made, and
// whether they are met.
func Judge(profile string, f *Figures) []Goal {
	judge, ok := judges[profile]
	if !ok {
		judge = realGoals
	}
	goals := judge(f)
	for i := range goals {
		goals[i].Number = i + 1
		goals[i].judge()
	}
	return goals
}

// judge decides what can be decided.
func (g *Goal) judge() {
	met, known := true, g.Note == "" && len(g.Parts) > 0
	for i := range g.Parts {
		p := &g.Parts[i]
		if p.Value == nil || p.Min == nil && p.Max == nil || g.Note != "" {
			known = false
			continue
		}
		is := (p.Min == nil || *p.Value >= *p.Min) && (p.Max == nil || *p.Value <= *p.Max)
		p.Met = &is
		met = met && is
	}
	if known {
		g.Met = &met
	}
}

func ptr[T any](v T) *T { return &v }

// near returns a part that must not be further from a target than within.
func near(name string, value, target, within float64) Part {
	return Part{Name: name, Value: &value, Real: &target, Min: ptr(target - within), Max: ptr(target + within)}
}

// between returns a part with both bounds.
func between(name string, value, reality, least, most float64) Part {
	return Part{Name: name, Value: &value, Real: &reality, Min: &least, Max: &most}
}

// atMost returns a part with an upper bound, which is 0 in the real data.
func atMost(name string, value, most float64) Part {
	return Part{Name: name, Value: &value, Real: ptr(0.), Max: &most}
}

func (p Part) in(unit string) Part {
	p.Unit = unit
	return p
}

// unlike forgets the value of MovieLens-20M, where there is none.
func (p Part) unlike() Part {
	p.Real = nil
	return p
}

// realGoals are those of data that resemble MovieLens-20M.
func realGoals(f *Figures) []Goal {
	r, u := f.Ratings, f.Users
	goals := []Goal{
		{Name: "Ratings like MovieLens-20M", Parts: []Part{atMost("JSD, bits", r.MovieLens.JSD, .005), atMost("TV", r.MovieLens.TV, .03)}},
		{Name: "Moments of the ratings", Parts: []Part{
			near("mean", r.Mean, realMean, .05), near("sd", r.SD, realSD, .05), near("skew", r.Skew, realSkew, .10),
		}},
		{Name: "Half stars", Parts: []Part{
			near("share", r.HalfStars, realHalfStars, .02).in(percent), between("users with none", u.NoHalfStars, realNoHalfStars, .30, .50).in(percent),
		}, Note: unless(u.Enough > 0, "no user has 20 ratings")},
		{Name: "Activity of users", Parts: []Part{
			between("Gini", u.Gini, realUserGini, .55, .61), between("median/mean", u.Median/u.Mean, realUserMedian/realUserMean, .43, .52),
			{Name: "min", Value: &u.Min, Real: ptr(float64(realUserMin)), Min: ptr(20.), Unit: count},
		}, Note: partOfEpoch(f)},
		itemGoal(f),
		{Name: "A user rates a movie once", Parts: []Part{{Name: "repeats", Value: ptr(float64(f.Repeats.Events)), Real: ptr(0.), Max: ptr(0.), Unit: count}}},
	}
	goals = append(goals, genreGoals(f)...)
	return append(goals, structureGoals(f)...)
}

// partOfEpoch says why what users do cannot be judged.
func partOfEpoch(f *Figures) string {
	return unless(f.Count >= f.Epoch, fmt.Sprintf("%s of the %s events of an epoch", grouped(f.Count), grouped(f.Epoch)))
}

// unless returns the reason when a condition does not hold.
func unless(holds bool, reason string) string {
	if holds {
		return ""
	}
	return reason
}

// itemGoal asks for the concentration of MovieLens-20M at as many events.
func itemGoal(f *Figures) Goal {
	want, ok := itemsAt(float64(f.Count))
	m := f.Movies
	return Goal{Name: "Popularity of rated movies", Parts: []Part{
		near("Gini", m.Gini, want.gini, .02), near("top 1%", m.Top1, want.top1, .02).in(percent), near("top 10%", m.Top10, want.top10, .02).in(percent),
	}, Note: unless(ok, "known for 100,000 to 20,000,000 ratings")}
}

// itemsAt returns what movies look like among so many ratings of MovieLens-20M,
// linear in the logarithm between those that are known.
func itemsAt(events float64) (itemShares, bool) {
	i := slices.IndexFunc(realItems, func(s itemShares) bool { return events <= s.events })
	last := len(realItems) - 1
	switch {
	case i == 0:
		return realItems[0], events == realItems[0].events
	case i < 0 && events <= realCount:
		return realItems[last], true
	case i < 0:
		return realItems[last], false
	}
	a, b := realItems[i-1], realItems[i]
	part := math.Log(events/a.events) / math.Log(b.events/a.events)
	mix := func(x, y float64) float64 { return x + part*(y-x) }
	return itemShares{events, mix(a.gini, b.gini), mix(a.top1, b.top1), mix(a.top10, b.top10)}, true
}

// genreGoals are two goals, also when no genre is known.
func genreGoals(f *Figures) []Goal {
	shares := Goal{Name: "Genres of the ratings like MovieLens-20M", Parts: []Part{{Name: "JSD, bits", Real: ptr(0.), Max: ptr(.005)}}}
	if f.Genres == nil {
		shares.Note = "the catalogue is not known"
	} else {
		shares.Parts[0].Value = &f.Genres.MovieLens.JSD
	}
	return []Goal{shares, tableGoal(f, "a goal of the profile document")}
}

// tableGoal compares the users' top three genres with the document's table.
func tableGoal(f *Figures, note string) Goal {
	g := Goal{Name: "Preferred genres like the document's table", Note: note, Parts: []Part{{Name: "rms, points", Max: ptr(.5)}}}
	if rms, ok := tableRMS(f.Genres); ok {
		g.Parts[0].Value = &rms
	}
	return g
}

// tableRMS returns the root mean square of the differences in percentage points
// between the users' top three genres and the document's table.
func tableRMS(g *Genres) (rms float64, ok bool) {
	if g == nil || len(g.List) == 0 || g.List[0].Top3 == nil {
		return 0, false
	}
	ours := map[string]float64{}
	for _, genre := range g.List {
		ours[genre.Name] = *genre.Top3
	}
	squares := 0.0
	for _, name := range documentOrder {
		points := 100 * (ours[name] - documentGenres[name])
		squares += points * points
	}
	return math.Sqrt(squares / float64(len(documentOrder))), true
}

// structureGoals are about who rates what how.
func structureGoals(f *Figures) []Goal {
	u, m := f.Users, f.Movies
	means := Goal{Name: "Mean ratings differ", Parts: []Part{
		between("sd of user means", u.MeanSD, realUserMeanSD, .40, .50), between("sd of movie means", m.MeanSD, realMovieMeanSD, .35, .47),
	}, Note: unless(u.Enough > 1 && m.Enough > 1, "too few users with 20 ratings or movies with 50")}
	affinity := Goal{Name: "Ratings follow the user's genres", Parts: []Part{
		{Name: "correlation", Value: f.AffinityCorrelation, Real: ptr(realAffinityCorr), Min: ptr(.15), Max: ptr(.25)},
	}, Note: unless(f.AffinityCorrelation != nil, "the users' genres are not known")}
	bias := Goal{Name: "Bias model explains", Parts: []Part{{Name: "R2", Real: ptr(realBiasR2), Min: ptr(.28), Max: ptr(.38)}}}
	if f.Bias == nil {
		bias.Note = "too few ratings"
	} else {
		bias.Parts[0].Value = &f.Bias.R2
	}
	const elsewhere = "not computed here: it takes a recommender"
	return []Goal{
		means, affinity, bias,
		{Name: "ALS gains over the bias model", Note: elsewhere, Parts: []Part{{Name: "RMSE", Min: ptr(.03), Max: ptr(.10), Unit: percent}}},
		{Name: "ItemKNN before popularity before chance", Note: elsewhere, Parts: []Part{{Name: "P@10 of ItemKNN", Real: ptr(.249)}}},
	}
}

// significance is the probability below which a deviation is not taken for
// chance: one right report in a thousand misses such a goal.
const significance = .001

// mostZ is the same for the largest of up to 32 deviations, in standard errors.
const mostZ = 4.2

// fits returns a goal about what a snapshot makes expected.
func fits(name string, f *Figures) Goal {
	e := f.Expected
	if e == nil {
		return Goal{Name: name, Note: "the snapshot is not known"}
	}
	g := drawn(name, e.RatingsP)
	g.Parts = append(g.Parts, Part{Name: "mean", Value: &f.Ratings.Mean, Real: ptr(realMean), Min: ptr(e.Mean - meanError(f)), Max: ptr(e.Mean + meanError(f))})
	return g
}

// meanError is how far the mean may be from the expected one by chance.
func meanError(f *Figures) float64 { return mostZ * f.Ratings.SD / math.Sqrt(float64(f.Count)) }

// documentGoals are the two tables that the platform's document prints.
func documentGoals(f *Figures) []Goal {
	return []Goal{
		{Name: "Ratings like the document's table", Parts: []Part{
			atMost("JSD, bits", f.Ratings.Document.JSD, .001).unlike(), atMost("TV", f.Ratings.Document.TV, .02).unlike(),
		}},
		tableGoal(f, ""),
		fits("Ratings as the snapshot's tables say", f),
	}
}

// drawn returns a goal about the probability of a chi-square.
func drawn(name string, p *float64) Goal {
	return Goal{Name: name, Parts: []Part{{Name: "chi-square p", Value: p, Min: ptr(significance)}}, Note: unless(p != nil, "too few events")}
}

// seedGoals are the formulas of the platform's document.
func seedGoals(f *Figures) []Goal {
	goals := []Goal{fits("Ratings as the formulas say", f)}
	if f.Expected == nil || f.Expected.Draws == nil {
		return goals
	}
	d := f.Expected.Draws
	z := func(value *float64) []Part {
		return []Part{{Name: "largest deviation, se", Value: value, Max: ptr(mostZ)}}
	}
	goals = append(goals,
		drawn("Users drawn alike", d.UsersP),
		drawn("Movies drawn alike within a genre", d.MoviesP),
		Goal{Name: "Genres of the ratings as the users' weights say", Parts: z(&d.GenresZ)},
	)
	if d.Top3Z != nil {
		goals = append(goals, Goal{Name: "Preferred genres alike", Parts: z(d.Top3Z)})
	}
	return goals
}
