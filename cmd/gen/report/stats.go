package report

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// Point is a point of a curve.
type Point struct{ X, Y float64 }

// MarshalJSON returns [x, y].
func (p Point) MarshalJSON() ([]byte, error) { return marshalPair(p.X, p.Y) }

// moments are those of numbers that are given by count.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n, m.sum, m.squares = m.n+1, m.sum+x, m.squares+x*x }
func (m moments) mean() float64  { return m.sum / m.n }

// sd returns the standard deviation of a sample, 0 of fewer than two numbers.
func (m moments) sd() float64 {
	if m.n < 2 {
		return 0
	}
	return math.Sqrt(max(0, m.squares-m.sum*m.sum/m.n) / (m.n - 1))
}

// correlation is Pearson's, of pairs that are given one by one.
type correlation struct {
	x, y     moments
	products float64
}

func (c *correlation) add(x, y float64) {
	c.x.add(x)
	c.y.add(y)
	c.products += x * y
}

// r returns the coefficient; ok is false when one side does not vary.
func (c *correlation) r() (r float64, ok bool) {
	n := c.x.n
	spread := (n*c.x.squares - c.x.sum*c.x.sum) * (n*c.y.squares - c.y.sum*c.y.sum)
	if spread <= 0 {
		return 0, false
	}
	return (n*c.products - c.x.sum*c.y.sum) / math.Sqrt(spread), true
}

// Distribution is how many ratings each user gives, or each movie gets.
type Distribution struct {
	Number int     `json:"number"` // of users or movies
	Mean   float64 `json:"mean"`
	SD     float64 `json:"sd"`
	Min    float64 `json:"min"`
	P25    float64 `json:"p25"`
	Median float64 `json:"median"`
	P75    float64 `json:"p75"`
	P90    float64 `json:"p90"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
	Gini   float64 `json:"gini"`
	Top1   float64 `json:"top1"`  // share of the ratings that the top 1% have, of 1
	Top10  float64 `json:"top10"` // the same of the top 10%
}

// distributionOf returns the distribution of counts in ascending order, of which
// there is at least one that is not zero.
func distributionOf(sorted []uint32) Distribution {
	var m moments
	weighted := 0.0
	for i, c := range sorted {
		m.add(float64(c))
		weighted += float64(i+1) * float64(c)
	}
	n := len(sorted)
	d := Distribution{
		Number: n, Mean: m.mean(), SD: m.sd(), Min: float64(sorted[0]), Max: float64(sorted[n-1]),
		Gini: 2*weighted/(m.n*m.sum) - (m.n+1)/m.n, Top1: topShare(sorted, .01, m.sum), Top10: topShare(sorted, .1, m.sum),
	}
	for _, q := range []struct {
		to *float64
		p  float64
	}{{&d.P25, .25}, {&d.Median, .5}, {&d.P75, .75}, {&d.P90, .9}, {&d.P95, .95}, {&d.P99, .99}} {
		*q.to = quantile(sorted, q.p)
	}
	return d
}

// quantile interpolates between the neighbouring ranks (Hyndman and Fan's type 7).
func quantile(sorted []uint32, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return float64(sorted[i])
	}
	return float64(sorted[i]) + (at-float64(i))*(float64(sorted[i+1])-float64(sorted[i]))
}

func topShare(sorted []uint32, part, total float64) float64 {
	k := max(1, int(math.RoundToEven(part*float64(len(sorted)))))
	sum := 0.0
	for _, c := range sorted[len(sorted)-k:] {
		sum += float64(c)
	}
	return sum / total
}

// curvePoints is how many points of a curve there are for each power of ten.
const curvePoints = 24

// logSteps returns whole numbers from 1 to most, evenly spaced on a log axis.
func logSteps(most int) (steps []int) {
	for k, last := 0, 0; last < most; k++ {
		step := min(most, int(math.Round(math.Pow(10, float64(k)/curvePoints))))
		if step > last {
			steps = append(steps, step)
			last = step
		}
	}
	return steps
}

// tail returns which share of the counts is at least as large as each x.
func tail(sorted []uint32) (curve []Point) {
	least := int(sorted[0])
	for _, x := range logSteps(int(sorted[len(sorted)-1])) {
		if x < least && len(curve) > 0 {
			curve = curve[:0] // all are larger: one such point is enough
		}
		below := sort.Search(len(sorted), func(i int) bool { return int(sorted[i]) >= x })
		curve = append(curve, Point{float64(x), 1 - float64(below)/float64(len(sorted))})
	}
	return curve
}

// byRank returns which share of all the movie of each rank has, the first rank
// being that of the most popular.
func byRank(sorted []uint32, total float64) (curve []Point) {
	for _, rank := range logSteps(len(sorted)) {
		curve = append(curve, Point{float64(rank), float64(sorted[len(sorted)-rank]) / total})
	}
	return curve
}

// fittedPopularity returns the shares of which the logarithms are given, up to
// their sum, by rank; between the ranks it goes linearly in the logarithms.
func fittedPopularity(knots []Point) (curve []Point) {
	total := 0.0
	at := func(rank float64) float64 {
		i := max(1, sort.Search(len(knots), func(i int) bool { return knots[i].X >= rank }))
		a, b := knots[i-1], knots[i]
		part := (math.Log(rank) - math.Log(a.X)) / (math.Log(b.X) - math.Log(a.X))
		return math.Exp(a.Y + part*(b.Y-a.Y))
	}
	last := int(knots[len(knots)-1].X)
	for rank := 1; rank <= last; rank++ {
		total += at(float64(rank))
	}
	for _, rank := range logSteps(last) {
		curve = append(curve, Point{float64(rank), at(float64(rank)) / total})
	}
	return curve
}

// sortedCopy returns the counts in ascending order, after so many zeros.
func sortedCopy(counts []uint32, zeros int) []uint32 {
	sorted := make([]uint32, zeros, zeros+len(counts))
	sorted = append(sorted, counts...)
	slices.SortFunc(sorted, cmp.Compare[uint32])
	return sorted
}

// totals returns the sum of values.
func totals(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// Distance is how far apart two distributions are.
type Distance struct {
	JSD float64 `json:"jsd"` // Jensen-Shannon divergence in bits, 0 to 1
	TV  float64 `json:"tv"`  // total variation, 0 to 1
}

// distance compares two lists of shares, each of which is scaled to sum to 1.
func distance(a, b []float64) (d Distance) {
	sumA, sumB := totals(a), totals(b)
	if sumA == 0 || sumB == 0 {
		return Distance{1, 1}
	}
	for i := range a {
		p, q := a[i]/sumA, b[i]/sumB
		m := (p + q) / 2
		d.TV += math.Abs(p-q) / 2
		if p > 0 {
			d.JSD += p / 2 * math.Log2(p/m)
		}
		if q > 0 {
			d.JSD += q / 2 * math.Log2(q/m)
		}
	}
	d.JSD = max(0, d.JSD) // rounding may leave -1e-17
	return d
}
