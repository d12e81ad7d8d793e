package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
	"github.com/erpstream/erpstream/services/erpstream/internal/scaling"
)

// manyTriggers is how many triggers of one ScaledObject are worth a note: KEDA asks NATS for all consumers of
// the account for each.
const manyTriggers = 100

func newScaledObjects() *cobra.Command {
	o := scaling.Options{
		Monitor: "nats-headless.nats.svc.cluster.local:8222", Account: natsconfig.Account,
		Watchdog: "http://watchdog.erpstream.svc.cluster.local:8080/metrics",
		Min:      2, Max: 8, Work: 15 * time.Second,
	}
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scaled-objects FILE|DIR…",
		Short: "Print the KEDA objects that scale the services as the documents need it",
		Long: `scaled-objects reads documents as check does and prints a ScaledObject (keda.sh/v1alpha1, KEDA 2.20 or newer) for the
transformer and for each kind of sink that more replicas make faster. Its figure is the sum of what waits
for each flow or connection, as NATS' monitoring says, without those that stand still because their target
is down or they are paused, as the watchdog says. Where the watchdog can't be asked the figure is the sum
alone; where NATS can't, the replicas stay as many as they are.

Sinks with a call budget (Kingdee, KIS) and pollers get no ScaledObject: the vendor's budget is their limit.
Comments above the objects, "fixed" in the JSON, say how many replicas each needs.

Print and apply the objects anew when flows or connections come or go.`,
		Example: `  erpstream scaled-objects deploy/config --out k8s/components/keda/scaled-objects.yaml
  erpstream scaled-objects my-config --namespace erp --watchdog http://watchdog.erp.svc:8080/metrics --account ERP
  erpstream scaled-objects my-config --max-replicas 4 --work 1m --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkScaling(o); err != nil {
				return misuse{err}
			}
			docs, err := readDocuments(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			set := flow.Set{}.With(docs...)
			if err := check.Set(set); err != nil {
				return misuse{err}
			}
			if len(set.Flows) == 0 {
				return misuse{fmt.Errorf("no flow in %v: nothing is to be scaled", args)}
			}
			plan := scaling.Make(set, o)
			noteTriggers(cmd.ErrOrStderr(), plan)
			return writeTo(cmd.OutOrStdout(), to, func(out io.Writer) error {
				if asJSON {
					return printJSON(out, plan)
				}
				return plan.Write(out)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Namespace, "namespace", "", "namespace of the objects; empty leaves it to kustomize")
	f.StringVar(&o.Monitor, "monitor", o.Monitor, "host:port of NATS' monitoring: the headless service, for KEDA asks the server that leads a consumer by its name")
	f.BoolVar(&o.HTTPS, "monitor-https", false, "ask NATS' monitoring over HTTPS")
	f.StringVar(&o.Account, "account", o.Account, "NATS account of the streams: by name, by public key with tokens (nats-config jwt), $G where there are no accounts")
	f.StringVar(&o.Watchdog, "watchdog", o.Watchdog, "URL of the watchdog's metrics, as KEDA reaches it")
	f.IntVar(&o.Min, "min-replicas", o.Min, "fewest replicas of each service")
	f.IntVar(&o.Max, "max-replicas", o.Max, "most replicas of each service; fewer where more would find no work")
	f.DurationVar(&o.Work, "work", o.Work, "how long one replica may take for its share of what waits, before more come")
	f.StringVar(&to, "out", "", "file to write instead of standard output")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// checkScaling names all that is wrong with the flags.
func checkScaling(o scaling.Options) error {
	var faults []error
	if host, _, err := net.SplitHostPort(o.Monitor); err != nil || host == "" {
		faults = append(faults, fmt.Errorf("--monitor %q is not host:port, without a scheme", o.Monitor))
	}
	if u, err := url.Parse(o.Watchdog); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		faults = append(faults, fmt.Errorf("--watchdog %q is not a URL such as http://watchdog.erpstream.svc:8080/metrics", o.Watchdog))
	}
	if o.Account == "" {
		faults = append(faults, errors.New("--account is empty: KEDA needs one, $G where there are no accounts"))
	}
	if o.Min < 1 {
		faults = append(faults, fmt.Errorf("--min-replicas %d is less than 1: records would wait for a start", o.Min))
	}
	if o.Max < o.Min {
		faults = append(faults, fmt.Errorf("--max-replicas %d is less than --min-replicas %d", o.Max, o.Min))
	}
	if o.Work < time.Second {
		faults = append(faults, fmt.Errorf("--work %s is less than 1s", o.Work))
	}
	return errors.Join(faults...)
}

// noteTriggers says where KEDA would have too much to ask.
func noteTriggers(errOut io.Writer, plan scaling.Plan) {
	for _, o := range plan.Objects {
		if n := len(o.Spec.Triggers); n > manyTriggers {
			fmt.Fprintf(errOut, "note: %s has %d triggers, and KEDA reads all consumers of the account for every second one: see docs/scaling.md\n", o.Metadata.Name, n)
		}
	}
}

// writeTo lets write write to a file, to out where none is named.
func writeTo(out io.Writer, name string, write func(io.Writer) error) error {
	if name == "" {
		return write(out)
	}
	file, err := os.Create(name) //nolint:gosec // the user names it
	if err != nil {
		return misuse{fmt.Errorf("--out: %w", err)}
	}
	return errors.Join(write(file), file.Close())
}
