package service

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// asked is what the command line says.
type asked struct {
	version bool
	values  map[string]string // by variable name
}

// parseFlags reads args; the error is flag.ErrHelp when help was asked for.
func parseFlags(name string, args []string, vars []variable) (asked, error) {
	a := asked{values: map[string]string{}}
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&a.version, "version", false, "")
	for _, v := range vars {
		keep := func(s string) error { a.values[v.name] = s; return nil }
		if v.toggle {
			set.BoolFunc(kebab(v.name), "", keep)
		} else {
			set.Func(kebab(v.name), "", keep)
		}
	}
	if err := set.Parse(args); err != nil {
		return a, err
	}
	if set.NArg() > 0 {
		return a, fmt.Errorf("unexpected argument %q: every value belongs to a flag", set.Arg(0))
	}
	return a, nil
}

const usage = `%[1]s (erpstream %[2]s)

Usage: %[1]s [--flag value]...

A flag wins over its environment variable; an empty variable counts as not set.
%[3]s
OpenTelemetry (environment only, as its specification has them):
  OTEL_EXPORTER_OTLP_ENDPOINT    where traces and metrics are pushed, over http/protobuf; not set: nowhere
  OTEL_TRACES_EXPORTER           otlp or none; without it otlp when there is an endpoint
  OTEL_METRICS_EXPORTER          otlp, prometheus or none; /metrics is there in any case
  OTEL_SDK_DISABLED              true: no traces and no pushed metrics
  OTEL_EXPORTER_OTLP_*, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_* and others

Exit codes:
  0  stopped by SIGINT or SIGTERM, or all work done
  1  the service failed, did not stop within GRACE, or was told twice to stop
  2  the configuration is bad; the text on stderr names every fault
`

// help writes what --help prints: own are the variables of the service, common those of Main.
func help(w io.Writer, name, version string, own, common []variable) error {
	var b strings.Builder
	if len(own) > 0 {
		table(&b, "Variables of "+name, own)
	}
	table(&b, "Variables of every service", common)
	_, err := fmt.Fprintf(w, usage, name, version, b.String())
	return err
}

func table(b *strings.Builder, title string, vars []variable) {
	fmt.Fprintf(b, "\n%s:\n", title)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  VARIABLE\tFLAG\tDEFAULT\tMEANING\n")
	for _, v := range vars {
		fmt.Fprintf(t, "  %s\t--%s\t%s\t%s\n", v.name, kebab(v.name), v.fallback, v.help)
	}
	_ = t.Flush() // into a strings.Builder: can't fail
}
