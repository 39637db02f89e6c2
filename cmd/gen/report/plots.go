package report

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// bars is a chart of shares by name: upright, or across from the lowest up.
type bars struct {
	names                  []string // an empty one has no label
	ours, theirs, expected []float64
	x, y                   string // labels of the axes, of the names and of the shares
	across                 bool
}

func (c bars) picture(title string) (*Picture, error) {
	p := newPlot()
	names, shares, high := c.axes(p)
	wide := vg.Points(high-60) / vg.Length(len(c.names)) * .8
	if !c.across {
		wide = vg.Points(width-60) / vg.Length(len(c.names)) * .8
	}
	var legend []Key
	beside := vg.Length(0) // how far our bars stand from the place
	if c.theirs != nil {
		wide /= 2
		beside = wide / 2
		legend = []Key{ourKey, theirKey}
		if err := c.add(p, c.theirs, wide, beside, theirColor); err != nil {
			return nil, err
		}
	}
	if err := c.add(p, c.ours, wide, -beside, ourColor); err != nil {
		return nil, err
	}
	if c.expected != nil {
		legend = append(legend, profileKey)
		if err := c.mark(p, wide); err != nil {
			return nil, err
		}
	}
	names.Min, names.Max = -.6, float64(len(c.names))-.4
	shares.Min, shares.Max = 0, 1.04*shares.Max
	return finish(p, title, legend, high, c.across), nil
}

// axes prepares the axes of a plot, and returns them with its height in points.
func (c bars) axes(p *plot.Plot) (names, shares *plot.Axis, high float64) {
	grid := newGrid()
	names, shares, high = &p.X, &p.Y, height
	grid.Vertical.Color = nil
	if c.across {
		names, shares, high = &p.Y, &p.X, tall
		grid.Vertical, grid.Horizontal = grid.Horizontal, grid.Vertical
	}
	p.Add(grid)
	names.Label.Text, shares.Label.Text = c.x, c.y
	var ticks plot.ConstantTicks
	for i, name := range c.names {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: name})
	}
	names.Tick.Marker, names.Tick.Length = ticks, 0
	shares.Tick.Marker = plot.TickerFunc(rounds)
	return names, shares, high
}

// add draws bars; ours are full, theirs are outlined, so that they differ in print.
func (c bars) add(p *plot.Plot, shares []float64, wide, offset vg.Length, clr color.NRGBA) error {
	values := make(plotter.Values, len(shares))
	for i, s := range shares {
		values[i] = 100 * s
	}
	b, err := plotter.NewBarChart(values, wide)
	if err != nil {
		return err
	}
	b.Horizontal, b.Color, b.LineStyle.Width, b.Offset = c.across, clr, 0, offset
	if c.across {
		b.Offset = -offset // ours above theirs
	}
	if clr == theirColor {
		b.Color, b.LineStyle = color.Transparent, draw.LineStyle{Color: theirColor, Width: 1}
	}
	p.Add(b)
	return nil
}

// mark draws what is expected as a dash across each of our bars.
func (c bars) mark(p *plot.Plot, wide vg.Length) error {
	points := make(plotter.XYs, len(c.expected))
	for i, share := range c.expected {
		points[i] = plotter.XY{X: float64(i), Y: 100 * share}
		if c.across {
			points[i] = plotter.XY{X: 100 * share, Y: float64(i)}
		}
	}
	s, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: expectedColor, Radius: 3, Shape: dash{wide, c.across}}
	p.Add(s)
	return nil
}

// dash is a glyph: a line across a bar that stands beside the place.
type dash struct {
	length vg.Length
	across bool
}

// DrawGlyph implements draw.GlyphDrawer.
func (d dash) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	line := draw.LineStyle{Color: style.Color, Width: 2}
	if d.across {
		c.StrokeLine2(line, at.X, at.Y, at.X, at.Y+d.length)
		return
	}
	c.StrokeLine2(line, at.X-d.length, at.Y, at.X, at.Y)
}

// curves is a chart of two curves on logarithmic axes; shares stand upright. It is
// drawn of logarithms: with plot.LogScale the library leaves room for the label of
// the axis where it does not stand.
type curves struct {
	ours, theirs []Point
	x, y         string
}

func (c curves) picture(title string) (*Picture, error) {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = c.x, c.y
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(powers), plot.TickerFunc(powers)
	p.Add(newGrid())
	for _, series := range []struct {
		points []Point
		clr    color.NRGBA
	}{{c.theirs, theirColor}, {c.ours, ourColor}} {
		points := make(plotter.XYs, len(series.points))
		for i, at := range series.points {
			points[i] = plotter.XY{X: math.Log10(at.X), Y: math.Log10(100 * at.Y)}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: series.clr, Width: 2}
		if series.clr == theirColor {
			line.Dashes = []vg.Length{5, 4}
		}
		p.Add(line)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = math.Floor(p.X.Min), math.Ceil(p.X.Max), math.Floor(p.Y.Min), math.Ceil(p.Y.Max)
	return finish(p, title, []Key{ourKey, theirKey}, height, false), nil
}

// rounds are the ticks of an axis of shares: some five round numbers.
func rounds(least, most float64) (ticks []plot.Tick) {
	step := math.Pow10(int(math.Floor(math.Log10(most - least))))
	for _, finer := range []float64{2, 2.5, 2} { // of 10, 5 and 2
		if (most-least)/step < 3 {
			step /= finer
		}
	}
	for i := math.Ceil(least / step); i*step <= most; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(math.Round(i*step*1e6)/1e6, 'f', -1, 64)})
	}
	return ticks
}

// powers are the ticks of an axis of logarithms.
func powers(least, most float64) (ticks []plot.Tick) {
	for exponent := math.Ceil(least); exponent <= most; exponent++ {
		label := strconv.FormatFloat(math.Pow10(int(exponent)), 'f', -1, 64)
		if exponent > 5 || exponent < -4 {
			label = fmt.Sprintf("1e%.0f", exponent)
		}
		ticks = append(ticks, plot.Tick{Value: exponent, Label: label})
	}
	return ticks
}
