package measure

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table writes rows as a table for people.
func Table(out io.Writer, rows []Row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "line\tunit\tours\tfloor\tratio\tA/A\ttarget\tmet\tCPU ours\tCPU floor\tRSS MiB ours\tRSS floor")
	for _, r := range rows {
		floor := cmp.Or(r.Floor, &Result{})
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Name, r.Unit, short(r.Ours.Median), known(floor.Median), known(r.Ratio), known(r.Control), dash(r.Target), r.verdict(),
			r.Ours.cpu(r.CPUUnit), floor.cpu(r.CPUUnit), r.Ours.rss(), floor.rss())
	}
	return w.Flush()
}

func (r Row) verdict() string {
	switch {
	case r.Met == nil:
		return "-"
	case *r.Met:
		return "yes"
	default:
		return "NO"
	}
}

// roles are in the order in which they are shown.
var roles = []string{Program, NATS, MariaDB}

// cpu is the processor time of the roles, "-" for one that has none.
func (r Result) cpu(unit string) string {
	if len(r.CPU) == 0 {
		return "-"
	}
	return byRole(func(role string) string { return known(r.CPU[role]) }) + " " + unit
}

func (r Result) rss() string {
	if len(r.RSS) == 0 {
		return "-"
	}
	return byRole(func(role string) string { return known(math.Round(float64(r.RSS[role]) / (1 << 20))) })
}

func byRole(text func(string) string) string {
	parts := make([]string, len(roles))
	for i, role := range roles {
		parts[i] = text(role)
	}
	return strings.Join(parts, "/")
}

func dash(text string) string { return cmp.Or(text, "-") }

// known is short, or "-" for 0.
func known(v float64) string {
	if v == 0 {
		return "-"
	}
	return short(v)
}

// short has three digits that count, and all of those before the point.
func short(v float64) string {
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
