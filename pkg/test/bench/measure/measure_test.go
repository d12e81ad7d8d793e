package measure_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// figures is a side that brings one value after the other.
func figures(name string, values ...float64) measure.Side {
	return func(context.Context) (measure.Sample, error) {
		v := values[0]
		values = values[1:]
		return measure.Sample{name: {Value: v, CPU: map[string]float64{measure.Program: 2 * v}, RSS: map[string]int64{measure.Program: int64(v) << 20}}}, nil
	}
}

func run(t *testing.T, line measure.Line, sides measure.Sides) []measure.Row {
	t.Helper()
	s := measure.Scenario{
		Name: "s", CPUUnit: "s/row", Lines: []measure.Line{line},
		Open: func(context.Context, measure.Options) (measure.Sides, error) { return sides, nil },
	}
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 3}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestMediansAndControl(t *testing.T) {
	var floors []float64
	floor := func(ctx context.Context) (measure.Sample, error) {
		values := []float64{100, 110, 120, 100, 90, 100} // floor, control; control, floor; floor, control
		v := values[len(floors)]
		floors = append(floors, v)
		return measure.Sample{"rate": {Value: v}}, nil
	}
	rows := run(t, measure.Line{Name: "rate", Unit: "rows/s", Ratio: new(0.8)}, measure.Sides{Ours: figures("rate", 70, 500, 80), Floor: floor})
	r := rows[0]
	if r.Ours.Median != 80 || r.Floor.Median != 100 || r.Ratio != 0.8 {
		t.Errorf("ours %v, floor %v, ratio %v: want 80, 100 and 0.8", r.Ours, r.Floor, r.Ratio)
	}
	if r.Control != 1.1 || r.Noise < 0.1999 || r.Noise > 0.2001 {
		t.Errorf("A/A %v, noise %v: want 110/100, and the farthest pair 120 and 100", r.Control, r.Noise)
	}
	if r.Met == nil || !*r.Met {
		t.Errorf("met = %v", r.Met)
	}
	if r.Ours.CPU[measure.Program] != 160 || r.Ours.RSS[measure.Program] != 80<<20 {
		t.Errorf("CPU %v, RSS %v", r.Ours.CPU, r.Ours.RSS)
	}
}

func TestTargets(t *testing.T) {
	tests := map[string]struct {
		line        measure.Line
		ours, floor float64
		met         string
	}{
		"rate reached":         {measure.Line{Ratio: new(0.8)}, 80, 100, "yes"},
		"rate missed":          {measure.Line{Ratio: new(0.8)}, 79, 100, "NO"},
		"time reached":         {measure.Line{Less: true, Ratio: new(2.0)}, 200, 100, "yes"},
		"time missed":          {measure.Line{Less: true, Ratio: new(2.0)}, 201, 100, "NO"},
		"limit reached":        {measure.Line{Less: true, Limit: new(60.0)}, 60, 0, "yes"},
		"limit missed":         {measure.Line{Less: true, Limit: new(60.0)}, 61, 0, "NO"},
		"least reached":        {measure.Line{Limit: new(98.0)}, 98, 0, "yes"},
		"least missed":         {measure.Line{Limit: new(98.0)}, 97, 0, "NO"},
		"one of two":           {measure.Line{Ratio: new(0.8), Limit: new(98.0)}, 97, 100, "NO"},
		"nothing asked":        {measure.Line{}, 1, 1, "-"},
		"ratio without floor":  {measure.Line{Ratio: new(0.8)}, 80, 0, "NO"},
		"no target, no floor":  {measure.Line{}, 1, 0, "-"},
		"none of something":    {measure.Line{Less: true, Limit: new(0.0)}, 0, 0, "yes"},
		"one and not none":     {measure.Line{Less: true, Limit: new(0.0)}, 1, 0, "NO"},
		"more than a rate was": {measure.Line{Ratio: new(1.2)}, 130, 100, "yes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.line.Name = "x"
			sides := measure.Sides{Ours: figures("x", tt.ours, tt.ours, tt.ours)}
			if tt.floor > 0 {
				f := tt.floor
				sides.Floor = figures("x", f, f, f, f, f, f)
			}
			rows := run(t, tt.line, sides)
			var table strings.Builder
			if err := measure.Table(&table, rows); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(table.String(), "  "+tt.met+"  ") {
				t.Errorf("want %q in\n%s", tt.met, &table)
			}
		})
	}
}

// A line may be compared with a figure of the floor that has another name.
func TestOneFloorForTwoLines(t *testing.T) {
	side := func(s measure.Sample) measure.Side {
		return func(context.Context) (measure.Sample, error) { return s, nil }
	}
	s := measure.Scenario{
		Name:  "s",
		Lines: []measure.Line{{Name: "a"}, {Name: "b", Floor: "a"}, {Name: "never"}},
		Open: func(context.Context, measure.Options) (measure.Sides, error) {
			return measure.Sides{Ours: side(measure.Sample{"a": {Value: 1}, "b": {Value: 3}}), Floor: side(measure.Sample{"a": {Value: 2}})}, nil
		},
	}
	rows, err := measure.Run(t.Context(), s, measure.Options{}, new(bytes.Buffer))
	if err != nil || len(rows) != 2 || rows[0].Ratio != 0.5 || rows[1].Ratio != 1.5 {
		t.Errorf("%+v, %v", rows, err)
	}
}

// What was measured before a side failed is there, and what the sides ran on is closed.
func TestFailureKeepsWhatThereIs(t *testing.T) {
	closed, broken := false, errors.New("broken")
	runs := 0
	s := measure.Scenario{
		Name:  "s",
		Lines: []measure.Line{{Name: "a"}},
		Open: func(context.Context, measure.Options) (measure.Sides, error) {
			return measure.Sides{
				Ours: func(context.Context) (measure.Sample, error) {
					if runs++; runs == 2 {
						return nil, broken
					}
					return measure.Sample{"a": {Value: 1}}, nil
				},
				Close: func() error { closed = true; return nil },
			}, nil
		},
	}
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 5}, new(bytes.Buffer))
	if !errors.Is(err, broken) || len(rows) != 1 || !closed || runs != 2 {
		t.Errorf("%+v, %v, closed %v, %d runs", rows, err, closed, runs)
	}
}

func TestBaseline(t *testing.T) {
	row := func(name string, less bool, ratio, noise float64) measure.Row {
		return measure.Row{Name: name, Less: less, Ratio: ratio, Noise: noise}
	}
	alone := func(name string, less bool, ratio float64) measure.Row {
		r := row(name, less, ratio, 0)
		r.Ours.Values = []float64{ratio}
		return r
	}
	path := filepath.Join(t.TempDir(), "baseline.json")
	kept := measure.NewBaseline([]measure.Row{row("rate", false, 0.8, 0.05), row("time", true, 2, 0.1), {Name: "alone"}}, false)
	if err := kept.Write(path); err != nil {
		t.Fatal(err)
	}
	b, err := measure.ReadBaseline(path)
	if err != nil || len(b.Lines) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	tests := map[string]struct {
		rows []measure.Row
		want []string // what the error names, nothing when all is well
	}{
		"the same":               {[]measure.Row{row("rate", false, 0.8, 0), row("time", true, 2, 0)}, nil},
		"better":                 {[]measure.Row{row("rate", false, 1.6, 0), row("time", true, 1, 0)}, nil},
		"within the noise then":  {[]measure.Row{row("rate", false, 0.77, 0), row("time", true, 2.19, 0)}, nil},
		"within the noise now":   {[]measure.Row{row("rate", false, 0.7, 0.2), row("time", true, 2.3, 0.2)}, nil},
		"a lower rate":           {[]measure.Row{row("rate", false, 0.7, 0.01), row("time", true, 2, 0)}, []string{"rate: the ratio is 0.7, the baseline 0.8: worse by 14 %, and noise explains 5 %"}},
		"a longer time":          {[]measure.Row{row("rate", false, 0.8, 0), row("time", true, 2.3, 0)}, []string{"time: the ratio is 2.3, the baseline 2: worse by 15 %"}},
		"of one round":           {[]measure.Row{alone("rate", false, 0.65), alone("time", true, 2.5)}, nil},
		"far off in one round":   {[]measure.Row{alone("rate", false, 0.8), alone("time", true, 2.7)}, []string{"time: the ratio is 2.7, the baseline 2: worse by 35 %, and noise explains 30 %"}},
		"no figure":              {[]measure.Row{row("rate", false, 0.8, 0)}, []string{"time: no figure"}},
		"one that is not kept":   {[]measure.Row{row("rate", false, 0.8, 0), row("time", true, 2, 0), row("new", false, 0.1, 0)}, nil},
		"no ratio where one was": {[]measure.Row{row("rate", false, 0, 0), row("time", true, 2, 0)}, []string{"rate: no figure"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := b.Check(&out, tt.rows)
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("Check = %v\n%s", err, &out)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Check = %v, want %q", err, want)
				}
			}
		})
	}
}
