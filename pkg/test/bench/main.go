// Command bench measures erpstream beside hand-written floors and prints one table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the zone of the floor's times

	"github.com/erpstream/erpstream/pkg/test/bench/endtoend"
	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/freshness"
	"github.com/erpstream/erpstream/pkg/test/bench/growth"
	"github.com/erpstream/erpstream/pkg/test/bench/latency"
	"github.com/erpstream/erpstream/pkg/test/bench/mapping"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/polling"
	"github.com/erpstream/erpstream/pkg/test/bench/rest"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// scenarios are all there are, in the order in which they run.
func scenarios() []measure.Scenario {
	return []measure.Scenario{
		mapping.Scenario(), endtoend.Scenario(), endtoend.Hops(), endtoend.Promises(), freshness.Scenario(),
		polling.Paging(), polling.Budget(), polling.Connections(), latency.Scenario(),
		rest.Scenario(), growth.Scenario(), growth.Replicas(),
	}
}

// modes are the programs that scenarios start in processes of their own.
func modes() rig.Modes { return rig.Servers().With(floor.Modes()).With(polling.Modes()) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	asked, err := modes().Run(ctx, os.Args[1:])
	if !asked {
		err = bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	measure.Options
	only string
	json string
	list bool
	// check and keep are files with a baseline: to compare with, and to write.
	check, keep string
}

const usage = `bench runs our programs and hand-written floors in turn, each on the same machine and disk, and prints
how far the one is from the other: medians, their ratio, and the same ratio of two equal runs (A/A), which
is what chance does. The data lie in build/bench and are removed in the end; what programs said stays in
build/bench/log. Nothing else should run meanwhile. It fails when something does not work, and with -check
when a ratio got worse; a target that is missed is no failure.

`

func readOptions(args []string, errOut io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&o.only, "only", "", "run these scenarios, separated by commas")
	flags.StringVar(&o.json, "json", "", "write the figures into this file, too")
	flags.StringVar(&o.check, "check", "", "compare the ratios with this baseline, and fail where one is worse than noise explains")
	flags.StringVar(&o.keep, "keep", "", "write the ratios into this file, as the baseline from now on")
	flags.BoolVar(&o.list, "list", false, "list the scenarios and what they are to reach")
	flags.BoolVar(&o.Quick, "quick", false, "a first look: little work, three rounds")
	flags.BoolVar(&o.Long, "long", false, "as much work as it takes, for many minutes")
	flags.BoolVar(&o.Profile, "profile", false, "write profiles of our programs beside their logs, in build/bench/log")
	flags.IntVar(&o.Repeat, "repeat", 0, "rounds of each scenario (default 5, with -quick 3)")
	flags.Usage = func() {
		fmt.Fprint(errOut, usage)
		flags.PrintDefaults()
	}
	err := flags.Parse(args)
	if o.Repeat == 0 {
		o.Repeat = 5
		if o.Quick {
			o.Repeat = 3
		}
	}
	return o, err
}
