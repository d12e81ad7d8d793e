// Command scale simulates how erpstream scales: a day of shops and of finance, KEDA and the autoscaler, databases that
// go away and pods that are lost; then what each size of an installation asks of each part, and which ends first.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/erpstream/erpstream/pkg/test/scale/chart"
	"github.com/erpstream/erpstream/pkg/test/scale/limits"
	"github.com/erpstream/erpstream/pkg/test/scale/model"
)

func main() {
	err := simulate(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.As(err, &misuse{}):
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "scale:", err)
	os.Exit(1)
}

// misuse is an error in what the user gave.
type misuse struct{ error }

// options is what the command line says.
type options struct {
	only        string
	connections int
	perDay      float64
	most        int
	seed        uint64
	svg         string
	asJSON      bool
	points      bool
}

const usage = `scale simulates a day second by second, for each scenario: shops by day and night, a campaign, the end of a month, a
day's records mapped again, databases that go away, pods that are lost. It prints how many replicas there were, what
waited, how old records were when they were written, and what that takes. Then it prints what each size of an
installation asks of each part beside what that part bears: the fullest is the first limit. docs/scaling.md says where
the figures come from. The same seed gives the same figures.

`

func readOptions(args []string, errOut io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&o.only, "only", "", "simulate this scenario alone, and no sizes")
	flags.IntVar(&o.connections, "connections", 1000, "connections that are polled")
	flags.Float64Var(&o.perDay, "records", 100e6, "records a day, of all connections together")
	flags.IntVar(&o.most, "max-replicas", 8, "most replicas of the transformer and of the MySQL sink")
	flags.Uint64Var(&o.seed, "seed", 1, "choice of what comes by chance")
	flags.StringVar(&o.svg, "svg", "", "folder for a picture of each scenario")
	flags.BoolVar(&o.asJSON, "json", false, "print as JSON")
	flags.BoolVar(&o.points, "points", false, "with -json: each scenario's figures of each minute, too")
	flags.Usage = func() {
		fmt.Fprint(errOut, usage)
		flags.PrintDefaults()
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, misuse{err}
	case flags.NArg() > 0:
		return o, misuse{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	case o.connections < 20 || o.perDay < 1 || o.most < 2:
		return o, misuse{errors.New("-connections is 20 at least, -records 1, -max-replicas 2")}
	default:
		return o, nil
	}
}

// report is all that was worked out.
type report struct {
	Scenarios []model.Summary `json:"scenarios"`
	Sizes     []limits.Row    `json:"sizes,omitempty"`
}

func simulate(args []string, out, errOut io.Writer) error {
	o, err := readOptions(args, errOut)
	if err != nil {
		return err
	}
	all := model.Standard(o.connections, o.perDay, o.most, o.seed)
	if o.only != "" {
		one, err := model.Pick(all, o.only)
		if err != nil {
			return misuse{err}
		}
		all = []model.Scenario{one}
	}
	var r report
	for _, s := range all {
		summary := model.Run(s, 60)
		if err := o.draw(summary); err != nil {
			return err
		}
		if !o.asJSON {
			show(out, summary, s)
		}
		if !o.points {
			summary.Points = nil
		}
		r.Scenarios = append(r.Scenarios, summary)
	}
	if o.only == "" {
		r.Sizes = limits.Table(limits.Sizes())
	}
	if o.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	showSizes(out, r.Sizes)
	return nil
}

// draw writes the picture of a scenario.
func (o options) draw(s model.Summary) error {
	if o.svg == "" {
		return nil
	}
	if err := os.MkdirAll(o.svg, 0o755); err != nil {
		return fmt.Errorf("-svg: %w", err)
	}
	file, err := os.Create(filepath.Join(o.svg, "scale-"+s.Scenario+".svg"))
	if err != nil {
		return fmt.Errorf("-svg: %w", err)
	}
	return errors.Join(chart.SVG(file, s.Scenario, len(s.Points)/60, curves(s)...), file.Close())
}

// curves are the figures of a scenario that are drawn.
func curves(s model.Summary) []chart.Series {
	of := func(name string, value func(model.Point) float64) chart.Series {
		series := chart.Series{Name: name}
		for _, p := range s.Points {
			series.Values = append(series.Values, value(p))
		}
		return series
	}
	return []chart.Series{
		of("records/s", func(p model.Point) float64 { return p.Arrivals }),
		of("in RAW", func(p model.Point) float64 { return p.Unmapped }),
		of("in TARGET", func(p model.Point) float64 { return p.Unwritten }),
		of("transformers", func(p model.Point) float64 { return float64(p.Transformer) }),
		of("MySQL sinks", func(p model.Point) float64 { return float64(p.MySQL) }),
		of("cores", func(p model.Point) float64 {
			sum := 0.0
			for _, cores := range p.Cores {
				sum += cores
			}
			return sum
		}),
	}
}

// show prints a scenario.
func show(out io.Writer, s model.Summary, of model.Scenario) {
	fmt.Fprintf(out, "%s: %s records, %s done, %s on their way\n", s.Scenario, chart.Short(s.Records), chart.Short(s.Done), chart.Short(s.Waiting))
	chart.Text(out, 96, curves(s)...)
	if n := s.MostDuring(of.Trouble, func(p model.Point) int { return p.MySQL }); n > 0 {
		fmt.Fprintf(out, "  while the databases were away: at most %d MySQL sinks\n", n)
	}
	for _, c := range s.Classes {
		fmt.Fprintf(out, "  %-14s age when written: p50 %.0f s, p99 %.0f s; of that since RAW: p50 %.0f s, p99 %.0f s; %.1f %% of the calls for polling\n",
			c.Class, c.P50, c.P99, c.RawP50, c.RawP99, 100*c.CallsUse)
	}
	fmt.Fprintf(out, "  replicas on average: %.2f transformers, %.2f MySQL sinks; %d changes\n", s.Mean["transformer"].Replicas, s.Mean["sink-mysql"].Replicas, s.Changes)
	fmt.Fprintf(out, "  cores on average:")
	for _, part := range []string{"poller", "transformer", "sink-mysql", "sink-kingdee", "sink-kis", "nats", "database"} {
		fmt.Fprintf(out, " %s %.2f", part, s.Mean[part].Cores)
	}
	fmt.Fprintf(out, "; most %.1f\n  memory of the pods: %s MiB; NATS: up to %s messages/s, %s bytes a day on each server\n\n",
		s.Most.Cores, chart.Short(s.Most.MemoryMiB), chart.Short(s.Most.Published), chart.Short(s.StoredPerDay))
}

// showSizes prints what each size asks of the parts that are fullest, and then how each part grows.
func showSizes(out io.Writer, rows []limits.Row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(out, "sizes, and the three fullest parts of each (100 % is what a part bears):")
	for _, r := range rows {
		fmt.Fprintf(out, "  %6d connections %8s records/day ", r.Size.Connections, chart.Short(r.Size.PerDay))
		for _, l := range r.Loads[:3] {
			fmt.Fprintf(out, " | %s %.0f %%", l.Part, 100*l.Share)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "parts, what they bear, and how full each size makes them:")
	largest := rows[len(rows)-1]
	for _, l := range largest.Loads {
		fmt.Fprintf(out, "  %-36s %8s %-14s", l.Part, chart.Short(l.Bears), l.Unit)
		for _, r := range rows {
			i := slices.IndexFunc(r.Loads, func(o limits.Load) bool { return o.Part == l.Part })
			fmt.Fprintf(out, " %7.3g%%", 100*r.Loads[i].Share)
		}
		fmt.Fprintf(out, "  %s\n", l.Knob)
	}
}
