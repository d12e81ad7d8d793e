package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		for _, l := range s.Lines {
			if seen[l.Name] || l.Name == "" || l.Unit == "" {
				t.Errorf("%s: line %q %q", s.Name, l.Name, l.Unit)
			}
			seen[l.Name] = true
		}
		if seen["scenario "+s.Name] || s.What == "" {
			t.Errorf("scenario %q: %q", s.Name, s.What)
		}
		seen["scenario "+s.Name] = true
	}
}

func TestChoose(t *testing.T) {
	all := func() []measure.Scenario {
		return []measure.Scenario{{Name: "a"}, {Name: "b", Asked: true}, {Name: "c"}}
	}
	for only, want := range map[string]string{"": "a c", "b": "b", "c,a": "c a"} {
		chosen, err := choose(all(), only)
		var names []string
		for _, s := range chosen {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", only, got, err, want)
		}
	}
	if _, err := choose(all(), "a,d"); err == nil || !strings.Contains(err.Error(), `no scenario "d"`) {
		t.Errorf("%v", err)
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	if err := bench(t.Context(), []string{"-list", "-only", "endtoend"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "endtoend-catchup         rows/s         ≥ 1.2 of the floor") {
		t.Errorf("%s", &out)
	}
}

// A run that is kept as the baseline does not fail against itself; one of other work is none to compare
// with, and a file that is not there is an error.
func TestBaseline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baseline.json")
	a := report{Rows: []measure.Row{{Name: "a", Ratio: 0.8, Noise: 0.1}}}
	b := report{Rows: []measure.Row{{Name: "b", Ratio: 0.8}}}
	quick := report{Rows: a.Rows, Quick: true}
	ofA, ofB := []measure.Scenario{{Lines: []measure.Line{{Name: "a"}}}}, []measure.Scenario{{Lines: []measure.Line{{Name: "b"}}}}
	steps := []struct {
		what   string
		report report
		o      options
		chosen []measure.Scenario
		want   string // what the error says; nothing when there is none
	}{
		{"compared with nothing", a, options{check: path}, ofA, "no such file"},
		{"kept", a, options{keep: path}, ofA, ""},
		{"compared with itself", a, options{check: path}, ofA, ""},
		{"quick beside usual", quick, options{check: path}, ofA, "run it without -quick"},
		{"quick into usual", quick, options{keep: path, only: "a"}, ofA, "run it without -quick"},
		{"another line alone", b, options{check: path, only: "b"}, ofB, ""},
		{"a line without a figure", b, options{check: path}, ofB, "a: no figure"},
		{"kept beside", b, options{keep: path, only: "b"}, ofB, ""},
		{"both are there", a, options{check: path}, ofA, "b: no figure"},
		{"the one alone", a, options{check: path, only: "a"}, ofA, ""},
		{"its figure failed", report{}, options{check: path, only: "a"}, ofA, "a: no figure"},
		{"neither", a, options{}, ofA, ""},
	}
	for _, step := range steps {
		err := step.report.baseline(step.o, step.chosen, io.Discard)
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("%s: %v, want %q", step.what, err, step.want)
		}
	}
}
