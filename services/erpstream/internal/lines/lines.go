// Package lines compares two texts line by line.
package lines

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Line is one line of a comparison: Op says whether both texts have it (' '), the new one alone ('+') or the
// old one alone ('-').
type Line struct {
	Op   byte
	Text string
}

// mostCells bounds the table that a comparison takes: beyond it all lines between the common beginning and
// the common end count as changed.
const mostCells = 4 << 20

// Diff returns the lines of both texts, with as few of them changed as can be.
func Diff(before, after string) []Line {
	a, b := split(before), split(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	all := marked(' ', a[:head])
	all = append(all, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(all, marked(' ', a[len(a)-tail:])...)
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func marked(op byte, texts []string) []Line {
	var all []Line
	for _, text := range texts {
		all = append(all, Line{op, text})
	}
	return all
}

// middle compares by the longest common subsequence.
func middle(a, b []string) []Line {
	if len(a)*len(b) > mostCells {
		return append(marked('-', a), marked('+', b)...)
	}
	// longest[i][j] is how many lines a[i:] and b[j:] have in common at most.
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			if x == y {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	var all []Line
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			all = append(all, Line{' ', a[i]})
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			all = append(all, Line{'-', a[i]})
			i++
		default:
			all = append(all, Line{'+', b[j]})
			j++
		}
	}
	return append(append(all, marked('-', a[i:])...), marked('+', b[j:])...)
}

// Count returns how many lines came and went.
func Count(all []Line) (added, removed int) {
	for _, l := range all {
		switch l.Op {
		case '+':
			added++
		case '-':
			removed++
		}
	}
	return added, removed
}

// Print writes the lines that changed, with some lines around them, and "…" where others are left out.
func Print(out io.Writer, all []Line, around int) error {
	near := make([]bool, len(all))
	for i, l := range all {
		if l.Op == ' ' {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			near[k] = true
		}
	}
	for i, l := range all {
		var err error
		switch {
		case near[i]:
			_, err = fmt.Fprintf(out, "%c %s\n", l.Op, l.Text)
		case i == 0 || near[i-1]:
			_, err = fmt.Fprintln(out, "  …")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
