package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/doctor"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

func newDoctor() *cobra.Command {
	var at natsServer
	var o doctor.Options
	var asJSON bool
	timeout := time.Minute
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine NATS: is what is acknowledged safe, and is everything at work",
		Long: `doctor looks at the NATS server or cluster that erpstream runs on, and changes nothing there: its
version, replicas and leaders of the streams, whether acknowledged means on disk (with --monitor), what
differs from what provision makes, whether ids are remembered longer than retries take, whether anything is
dropped by age or size before it was seen to, limits that are near, clocks, whether the connection is
encrypted and the server asks who connects, the permissions of the operator, and the consumers and services
that the applied documents need. It tells which connections the applied documents let go without TLS, and
which files of --secrets others may read or write.

Permissions are tried with messages and requests that the server refuses whoever sends them. With
--service nothing else is looked at than the connection and the permissions of that service: give its
credentials.

ok is well, warn deserves a look, fail can lose or double records. It exits with 1 when something fails.`,
		Example: `  erpstream doctor --monitor http://nats-0:8222 --monitor http://nats-1:8222 --monitor http://nats-2:8222
  erpstream doctor --service transformer --nats-creds nats/transformer-nats/creds`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Service != "" {
				if err := doctor.CheckService(o.Service); err != nil {
					return misuse{fmt.Errorf("--service: %w", err)}
				}
			}
			at.program = topology.Program(o.Service)
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not done after %s (--timeout)", timeout))
			defer cancel()
			findings := doctor.Examine(ctx, js, o)
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), findings)
			} else {
				err = printFindings(cmd.OutOrStdout(), findings)
			}
			if err == nil && probe.Failed(findings) {
				err = errors.New("records may be lost or doubled here: see what fails")
			}
			return errors.Join(err, context.Cause(ctx))
		},
	}
	at.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.Monitors, "monitor", nil, "monitoring address of a server, http://host:8222; may be given several times")
	f.BoolVar(&o.AllowR1, "allow-r1", false, "take fewer than three replicas for a warning")
	f.StringVar(&o.Secrets, "secrets", os.Getenv("SECRETS_DIR"), "folder with secrets, to see who may read them (SECRETS_DIR; default: not looked at)")
	f.StringVar(&o.Service, "service", "", "look at nothing but the connection and the permissions of this identity, such as transformer or sink-mysql")
	f.DurationVar(&timeout, "timeout", timeout, "how long all of it may take")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
