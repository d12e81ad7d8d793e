package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// report is what --json writes.
type report struct {
	At        time.Time     `json:"at"`
	Go        string        `json:"go"`
	CPUs      int           `json:"cpus"`
	Quick     bool          `json:"quick,omitempty"`
	ElapsedMS int64         `json:"elapsed_ms"`
	Rows      []measure.Row `json:"rows"`
	Notes     []string      `json:"notes,omitempty"`
}

// bench runs what the command line asks for.
func bench(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := readOptions(args, progress)
	if err != nil {
		return err
	}
	chosen, err := choose(scenarios(), o.only)
	if err != nil {
		return err
	}
	if o.list {
		return list(out, chosen)
	}
	r := report{At: time.Now().UTC(), Go: runtime.Version(), CPUs: runtime.NumCPU(), Quick: o.Quick}
	var failed []error
	for _, s := range chosen {
		rows, err := measure.Run(ctx, s, o.Options, progress)
		r.Rows, r.Notes = append(r.Rows, rows...), append(r.Notes, s.Notes...)
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	r.ElapsedMS = time.Since(r.At).Milliseconds()
	failed = append(failed, r.print(out), r.write(o.json))
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("%w\nwhat the programs said stands in build/bench/log", err)
	}
	return r.baseline(o, chosen, out)
}

// baseline compares with a baseline, or keeps this run as one. Where only some scenarios were chosen, it is
// about their lines alone.
func (r report) baseline(o options, chosen []measure.Scenario, out io.Writer) error {
	switch {
	case o.keep != "":
		return r.keep(o)
	case o.check != "":
		return r.check(o, chosen, out)
	default:
		return nil
	}
}

func (r report) keep(o options) error {
	b := measure.NewBaseline(r.Rows, r.Quick)
	if o.only == "" {
		return b.Write(o.keep)
	}
	old, err := measure.ReadBaseline(o.keep)
	if errors.Is(err, fs.ErrNotExist) {
		return b.Write(o.keep)
	}
	if err == nil && old.Quick != r.Quick {
		err = mixed(o.keep, old)
	}
	if err != nil {
		return err
	}
	return old.With(b).Write(o.keep)
}

func (r report) check(o options, chosen []measure.Scenario, out io.Writer) error {
	b, err := measure.ReadBaseline(o.check)
	if err != nil {
		return err
	}
	if b.Quick != r.Quick {
		return mixed(o.check, b)
	}
	if o.only != "" {
		b = b.Of(chosen)
	}
	fmt.Fprintln(out)
	return b.Check(out, r.Rows)
}

func mixed(path string, b measure.Baseline) error {
	if b.Quick {
		return fmt.Errorf("%s comes of a quick run: run it with -quick", path)
	}
	return fmt.Errorf("%s does not come of a quick run: run it without -quick", path)
}

// choose returns the scenarios with those names; without a name, those that need not be asked for.
func choose(all []measure.Scenario, only string) ([]measure.Scenario, error) {
	if only == "" {
		return slices.DeleteFunc(all, func(s measure.Scenario) bool { return s.Asked }), nil
	}
	var chosen []measure.Scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s measure.Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q: -list names them", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func list(out io.Writer, all []measure.Scenario) error {
	for _, s := range all {
		asked := ""
		if s.Asked {
			asked = " (only when asked for)"
		}
		fmt.Fprintf(out, "%s: %s%s\n", s.Name, s.What, asked)
		for _, l := range s.Lines {
			fmt.Fprintf(out, "  %-24s %-14s %s\n", l.Name, l.Unit, l.Target())
		}
	}
	return nil
}

// print writes the table and the notes.
func (r report) print(out io.Writer) error {
	if err := measure.Table(out, r.Rows); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, note := range r.Notes {
		fmt.Fprintln(out, note)
	}
	_, err := fmt.Fprintf(out, "%d CPUs, %s, %s\n", r.CPUs, r.Go, (time.Duration(r.ElapsedMS) * time.Millisecond).Round(time.Second))
	return err
}

// write writes the report into a file, where one is named.
func (r report) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
