package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of a drawing stand for variables of the style sheet, which differ
// in light and dark.
var (
	textColor     = color.NRGBA{1, 1, 1, 255} // not 0, 0, 0: the library writes no black
	gridColor     = color.NRGBA{2, 2, 2, 255}
	ourColor      = color.NRGBA{3, 3, 3, 255}
	theirColor    = color.NRGBA{4, 4, 4, 255}
	expectedColor = color.NRGBA{5, 5, 5, 255}

	variables = strings.NewReplacer(
		hex(textColor), "var(--soft)", hex(gridColor), "var(--line)", hex(ourColor), "var(--a)", hex(theirColor), "var(--b)", hex(expectedColor), "var(--d)",
	)
)

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

const (
	width  = 360 // points; a card of the page has about so many pixels
	height = 240
	tall   = 500
)

func newGrid() *plotter.Grid {
	g := plotter.NewGrid()
	line := draw.LineStyle{Color: gridColor, Width: .75}
	g.Horizontal, g.Vertical = line, line
	return g
}

func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = textColor, textColor
		a.Tick.Length, a.Padding = 4, 3
		a.Label.TextStyle.Color, a.Tick.Label.Color = textColor, textColor
		a.Label.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
		a.Tick.Label.Font = a.Label.TextStyle.Font
		a.Label.Padding = 3
	}
	return p
}

// finish draws a plot and makes its SVG part of a page: the page's colours and
// fonts, as wide as there is room, and a text for those who do not see it. Each
// text is given the width that the plot has room for, whatever font a reader has.
func finish(p *plot.Plot, title string, legend []Key, high float64, tall bool) *Picture {
	canvas := vgsvg.New(width, vg.Points(high))
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	_, _ = canvas.WriteTo(&b) // a buffer takes all
	svg := b.String()
	svg = variables.Replace(svg[strings.Index(svg, "<svg"):])
	svg = invisible.ReplaceAllString(fontStyle.ReplaceAllString(svg, ""), "")
	label := title + ": " + strings.ToLower(p.Y.Label.Text+" by "+p.X.Label.Text)
	if p.Y.Label.Text == "" {
		label = title + ": " + p.X.Label.Text
	}
	head := fmt.Sprintf(`<svg class="plot" role="img" aria-label="%s" viewBox="0 0 %d %g" xmlns="http://www.w3.org/2000/svg">`, html.EscapeString(label), width, high)
	svg = svgHead.ReplaceAllString(svg, head)
	svg = svgText.ReplaceAllStringFunc(svg, func(text string) string {
		wide := p.X.Tick.Label.Width(html.UnescapeString(svgText.FindStringSubmatch(text)[1]))
		return strings.Replace(text, "<text ", fmt.Sprintf(`<text textLength="%.1f" lengthAdjust="spacingAndGlyphs" `, wide.Points()), 1)
	})
	return &Picture{Title: title, Legend: legend, SVG: template.HTML(svg), Tall: tall}
}

var (
	svgHead   = regexp.MustCompile(`^<svg[^>]*>`)
	svgText   = regexp.MustCompile(`<text [^>]*>([^<]*)</text>`)
	invisible = regexp.MustCompile(`<path [^>]*fill-opacity:0" />\n`)
	fontStyle = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
)
