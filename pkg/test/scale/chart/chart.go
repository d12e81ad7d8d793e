// Package chart draws how figures went through a day: as lines of text for a terminal, as SVG for a page.
package chart

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// Series is one figure over time, at even distances.
type Series struct {
	Name   string
	Values []float64
}

var blocks = []rune("▁▂▃▄▅▆▇█")

// Text writes a line for each series, so many characters wide, each the greatest of its part of the time; the
// greatest of all stands behind.
func Text(w io.Writer, width int, series ...Series) {
	for _, s := range series {
		line, most := make([]rune, 0, width), greatest(s.Values)
		for i := range width {
			part := s.Values[i*len(s.Values)/width : max(i*len(s.Values)/width+1, (i+1)*len(s.Values)/width)]
			level := 0
			if most > 0 {
				level = int(greatest(part) / most * float64(len(blocks)-1))
			}
			line = append(line, blocks[level])
		}
		fmt.Fprintf(w, "  %-12s %s %s\n", s.Name, string(line), Short(most))
	}
}

// greatest is the greatest of some values, 0 for what is nothing but rounding.
func greatest(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if v > 1e-6 {
			most = max(most, v)
		}
	}
	return most
}

// Short writes a number with three digits or so: 950, 12.3k, 4.56M.
func Short(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	default:
		return fmt.Sprintf("%.4g", v)
	}
}

const (
	left, panel, plot, gap = 110, 70, 800, 16
)

// SVG writes the series below one another, over hours.
func SVG(w io.Writer, title string, hours int, series ...Series) error {
	var b strings.Builder
	height := 40 + len(series)*(panel+gap) + 20
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", left+plot+80, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="8" y="22" font-size="15">%s</text>`+"\n", html.EscapeString(title))
	for i, s := range series {
		top, most := 40+i*(panel+gap), greatest(s.Values)
		fmt.Fprintf(&b, `<text x="8" y="%d">%s</text><text x="%d" y="%d">%s</text>`+"\n", top+panel/2, html.EscapeString(s.Name), left+plot+6, top+12, Short(most))
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#bbb"/><path fill="none" stroke="#06c" d="`, left, top+panel, left+plot)
		for j, v := range s.Values {
			x, y := float64(left)+float64(j)*plot/float64(max(1, len(s.Values)-1)), float64(top+panel)
			if most > 0 {
				y -= v / most * panel
			}
			fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(j, 1)], x, y)
		}
		b.WriteString(`"/>` + "\n")
	}
	for h := 0; h <= hours; h += max(1, hours/8) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%d h</text>`+"\n", left+h*plot/max(1, hours), height-8, h)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
