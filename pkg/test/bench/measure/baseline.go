package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"text/tabwriter"
)

// Baseline is what ratios were once, by the name of the line. It holds no times: they are those of a machine.
type Baseline struct {
	// Quick is whether it comes of a run of little work, whose ratios are others.
	Quick bool            `json:"quick,omitempty"`
	Lines map[string]Kept `json:"lines"`
}

// Kept is one ratio, and how far the farthest pair of equal runs was apart then, as a share.
type Kept struct {
	Ratio float64 `json:"ratio"`
	Noise float64 `json:"noise"`
}

// NewBaseline keeps the ratios of rows.
func NewBaseline(rows []Row, quick bool) Baseline {
	b := Baseline{Quick: quick, Lines: map[string]Kept{}}
	for _, r := range rows {
		if r.Ratio > 0 {
			b.Lines[r.Name] = Kept{Ratio: round(r.Ratio), Noise: round(r.Noise)}
		}
	}
	return b
}

// round leaves the digits that mean something.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// ReadBaseline reads a baseline from a file.
func ReadBaseline(path string) (Baseline, error) {
	var b Baseline
	text, err := os.ReadFile(path)
	if err != nil {
		return b, fmt.Errorf("baseline: %w", err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// Of returns the part of a baseline that is about the lines of scenarios.
func (b Baseline) Of(scenarios []Scenario) Baseline {
	part := Baseline{Quick: b.Quick, Lines: map[string]Kept{}}
	for _, s := range scenarios {
		for _, l := range s.Lines {
			if kept, ok := b.Lines[l.Name]; ok {
				part.Lines[l.Name] = kept
			}
		}
	}
	return part
}

// With returns the baseline with the lines of another in the place of its own.
func (b Baseline) With(other Baseline) Baseline {
	all := Baseline{Quick: other.Quick, Lines: maps.Clone(b.Lines)}
	maps.Copy(all.Lines, other.Lines)
	return all
}

// Write writes a baseline into a file.
func (b Baseline) Write(path string) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// What a ratio may always be off by, and one of a single round: one pair of equal runs is close together by
// chance. (Of growth they were up to 24 % apart on one quiet machine.)
const (
	leastNoise = 0.02
	loneNoise  = 0.3
)

// Check compares rows with the baseline and writes what it found. A ratio may be worse by the noise that
// the control showed, then or now, whichever is more; the error names each line that is worse by more, and
// each of the baseline that brought no figure.
func (b Baseline) Check(out io.Writer, rows []Row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "line\tbaseline\tnow\tworse by\tallowed\t")
	var errs []error
	seen := map[string]bool{}
	for _, r := range rows {
		kept, ok := b.Lines[r.Name]
		if !ok || r.Ratio == 0 {
			continue
		}
		seen[r.Name] = true
		worse, allowed := worseBy(r, kept), max(leastNoise, kept.Noise, r.Noise)
		if len(r.Ours.Values) == 1 {
			allowed = max(loneNoise, allowed)
		}
		verdict := "ok"
		if worse > allowed {
			verdict = "WORSE"
			errs = append(errs, fmt.Errorf("%s: the ratio is %s, the baseline %s: worse by %.0f %%, and noise explains %.0f %%",
				r.Name, short(r.Ratio), short(kept.Ratio), 100*worse, 100*allowed))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f %%\t%.1f %%\t%s\n", r.Name, short(kept.Ratio), short(r.Ratio), 100*worse, 100*allowed, verdict)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Lines)) {
		if !seen[name] {
			errs = append(errs, fmt.Errorf("%s: no figure, and the baseline has one", name))
		}
	}
	return errors.Join(append(errs, w.Flush())...)
}

// worseBy is how much worse a row's ratio is than it was, as a share; negative when it is better.
func worseBy(r Row, kept Kept) float64 {
	if r.Less {
		return ratio(r.Ratio, kept.Ratio) - 1
	}
	return ratio(kept.Ratio, r.Ratio) - 1
}
