package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
	"github.com/erpstream/erpstream/services/erpstream/internal/up"
)

func newUp() *cobra.Command {
	var o up.Options
	var config, only string
	var untilIdle, asJSON bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine: NATS, sandbox, database and services",
		Long: `up starts an embedded NATS server, the sandbox that imitates the vendors, a database, and every
service that the configuration needs, on loopback, and shows a live table. Ctrl-C stops everything; a
second run continues on the same data.

The database is the server of --mysql, else a private instance of mariadbd or mysqld when one is
installed, else an embedded MySQL-compatible server, which is slow and keeps nothing on disk (it is
filled again from the stream at each start).

On the embedded NATS server each service has the identity and the permissions that nats-config would give
it; the commands need none there.

With --until-idle it ends by itself when every flow has drained and its account balances: exit code 0,
or 1 when that takes longer than --timeout.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.NATSReplicas > 1 && o.NATS == "" {
				return misuse{errors.New("--nats-replicas: the embedded NATS server is one: name a cluster with --nats")}
			}
			if o.Identities != "" && o.NATS == "" {
				return misuse{errors.New("--nats-identities: the embedded NATS server has its own: name a server with --nats")}
			}
			docs, err := configuration(config, only)
			if err != nil {
				return err
			}
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			o.Documents, o.Binaries = docs, filepath.Dir(binary)
			if untilIdle || asJSON {
				o.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
				o.ServiceLog = cmd.ErrOrStderr()
				return runUntilIdle(cmd, o, asJSON)
			}
			return runShow(cmd, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&untilIdle, "until-idle", false, "end when every flow has drained and balances")
	f.BoolVar(&asJSON, "json", false, "print one JSON object in the end (implies --until-idle); logs go to standard error")
	f.DurationVar(&o.Timeout, "timeout", 2*time.Minute, "how long --until-idle waits")
	f.IntVar(&o.Records, "records", 0, "documents per feed in the sandbox (default 2000, with the embedded database 200; later runs: as before)")
	f.Uint64Var(&o.Seed, "seed", 0, "choice of the sandbox's data; the same seed makes the same documents (default 1; later runs: as before)")
	f.IntVar(&o.Edits, "edits", 0, "documents that the sandbox edits while it is polled")
	f.Float64Var(&o.EditRate, "edit-rate", 50, "edits a second")
	f.IntVar(&o.Replicas, "replicas", 1, "how many of each service to run")
	f.StringArrayVar(&o.SandboxArgs, "sandbox-arg", nil, "further argument of the sandbox, such as --late-share=0.1; may be given several times (bin/sandbox --help lists them)")
	f.StringVar(&config, "config", "", "folder with connections, sources and flows (default: the shipped ones, for the sandbox)")
	f.StringVar(&only, "only", "", "run this flow alone, with the master data that it looks up")
	f.StringVar(&o.Data, "data", "data", "folder that keeps everything between two runs")
	f.StringVar(&o.Secrets, "secrets", "", "folder with secrets, <connection>/<field> (default: secrets in the data folder)")
	f.StringVar(&o.MySQL, "mysql", "", "DSN of a MySQL or MariaDB server to use, user:password@tcp(host:3306)/database, or embedded; on another machine TLS is verified, unless ?tls=… says otherwise")
	f.StringVar(&o.NATS, "nats", "", "URL of a NATS server (2.14 or newer, with JetStream) to use, or those of a cluster, with commas between")
	f.StringVar(&o.Identities, "nats-identities", "", "folder with the identities of all services on the server of --nats, as nats-config makes it (default: the server asks nobody)")
	f.IntVar(&o.NATSReplicas, "nats-replicas", 0, "how many servers of the cluster of --nats keep each stream: 3 in production (default 1; later runs: as before)")
	f.IntVar(&o.Port, "listen", 9400, "first of the ports to listen on, on loopback; 0 takes free ones")
	return cmd
}

func runUntilIdle(cmd *cobra.Command, o up.Options, asJSON bool) error {
	report, err := up.UntilIdle(cmd.Context(), o)
	if _, unbalanced := errors.AsType[*up.UnbalancedError](err); err != nil && !unbalanced {
		return err
	}
	if asJSON {
		return errors.Join(err, printLine(cmd.OutOrStdout(), report))
	}
	for _, a := range slices.Concat(report.References, report.Flows) {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %d published, %d delivered, %d superseded, %d filtered, %d dead, %d parked, %d in flight: balanced %v\n",
			a.Flow, a.Published, a.Delivered, a.Superseded, a.Filtered, a.Dead, a.Parked, a.InFlight, a.Balanced)
	}
	return err
}

// runShow shows the live table on a terminal; what the parts log goes to a file then.
func runShow(cmd *cobra.Command, o up.Options) error {
	if !terminal.Is(cmd.OutOrStdout()) {
		o.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
		o.ServiceLog = cmd.ErrOrStderr()
		return up.Show(cmd.Context(), o, io.Discard)
	}
	log, err := up.OpenLog(o.Data)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	o.Log, o.ServiceLog = slog.New(slog.NewJSONHandler(log, nil)), log
	return up.Show(cmd.Context(), o, cmd.OutOrStdout())
}

// configuration reads the documents of a folder, or the shipped ones, and checks them.
func configuration(folder, only string) ([]flow.Document, error) {
	if folder == "" {
		found, err := shipped()
		if err != nil {
			return nil, err
		}
		folder = found
	}
	docs, err := readDocuments(nil, []string{folder})
	if err != nil {
		return nil, err
	}
	set := flow.Set{}.With(docs...)
	if err := check.Set(set); err != nil {
		return nil, misuse{err}
	}
	if only == "" {
		return docs, nil
	}
	f, ok := set.Flows[only]
	if !ok {
		return nil, misuse{fmt.Errorf("--only %s: no such flow: there are %v", only, set.Names(flow.KindFlow))}
	}
	return part(docs, set, f), nil
}

// part returns the documents that one flow needs: its own, and those of the master data that it
// may look up.
func part(docs []flow.Document, set flow.Set, f flow.Flow) []flow.Document {
	wanted := map[[2]string]bool{}
	for name, other := range set.Flows {
		if name != f.Name && (other.Target.Kind != "reference" || other.Target.Connection != f.Target.Connection) {
			continue
		}
		wanted[[2]string{flow.KindFlow, name}] = true
		wanted[[2]string{flow.KindSource, other.From}] = true
		wanted[[2]string{flow.KindConnection, set.Sources[other.From].Connection}] = true
		wanted[[2]string{flow.KindConnection, other.Target.Connection}] = true
	}
	return slices.DeleteFunc(docs, func(d flow.Document) bool { return !wanted[[2]string{d.Kind, d.Name}] })
}

// shipped finds deploy/config beside the binary's folder, or below the working folder.
func shipped() (string, error) {
	binary, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(filepath.Dir(binary)), "deploy", "config")
	below := filepath.Join("deploy", "config")
	_, errBeside := os.Stat(beside)
	_, errBelow := os.Stat(below)
	switch {
	case errBeside == nil:
		return beside, nil
	case errBelow == nil:
		return below, nil
	default:
		return "", misuse{fmt.Errorf("no configuration: name a folder with --config (%w)", cmp.Or(errBeside, errBelow))}
	}
}
