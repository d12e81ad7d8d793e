// Package up runs everything on one machine: an embedded NATS server, the sandbox, a database,
// and every service that the configuration needs, as child processes on loopback.
package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Options is what the command line says.
type Options struct {
	// Documents are the configuration, with `sandbox` endpoints still in it.
	Documents []flow.Document
	// Data is the folder that keeps everything between two runs.
	Data string
	// Secrets is the folder with the secrets of connections; those of the sandbox are added.
	Secrets string
	// Records and Seed say which documents the sandbox has; 0 is what it has already, else what
	// suits the database. Edits of them are edited while it is polled, EditRate a second.
	Records  int
	Seed     uint64
	Edits    int
	EditRate float64
	// SandboxArgs are further arguments of the sandbox.
	SandboxArgs []string
	// Replicas is how many of each service are run, at least one.
	Replicas int
	// MySQL (a DSN) and NATS (URLs, with commas between) name servers to use instead of the embedded
	// ones.
	MySQL string
	NATS  string
	// Identities is the folder with the identities of all services on NATS; empty: NATS asks nobody. The
	// embedded server has its own.
	Identities string
	// NATSReplicas is how many servers of NATS keep each stream; 0: as many as do already, one at
	// first.
	NATSReplicas int
	// Port is the first of the ports to listen on; 0 takes free ones.
	Port int
	// Timeout bounds UntilIdle.
	Timeout time.Duration
	// Binaries is the folder with the services.
	Binaries string
	// Log hears what the parts do; ServiceLog takes the lines that the services print.
	Log        *slog.Logger
	ServiceLog io.Writer
}

// UntilIdle starts everything, waits until every flow has drained and balances, and stops what it
// started. The error is a *UnbalancedError when that takes longer than Timeout.
func UntilIdle(ctx context.Context, o Options) (Report, error) {
	var report Report
	err := run(ctx, o, func(ctx context.Context, m *machine) (err error) {
		report, err = m.untilIdle(ctx)
		return err
	})
	return report, err
}

// Show starts everything and shows a live table on out until ctx is done; then it stops what it
// started.
func Show(ctx context.Context, o Options, out io.Writer) error {
	return run(ctx, o, func(ctx context.Context, m *machine) error { return m.show(ctx, out) })
}

// machine is what runs, and where.
type machine struct {
	Options
	began time.Time
	// js is the operator's, provisioner that of who makes streams.
	js          jetstream.JetStream
	provisioner jetstream.JetStream
	natsURL     string
	// sandbox is the index of the sandbox's own pages; both are empty when it does not run.
	sandbox        string
	sandboxAddress string
	db             database
	set            flow.Set
	services       []string
	stops          []func() error
}

// run starts everything in the order of need, does what it is for, and stops everything in the
// reverse order.
func run(ctx context.Context, o Options, do func(context.Context, *machine) error) (err error) {
	m := &machine{Options: o, began: time.Now()}
	defer func() { err = errors.Join(err, m.stop()) }()
	for _, start := range []func(context.Context) error{
		m.takeFolder, m.startNATS, m.startMySQL, m.startSandbox, m.configure, m.startServices,
	} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	o.Log.InfoContext(ctx, "up", "nats", m.natsURL, "sandbox", m.sandbox, "mysql", m.db.shown(), "services", m.services)
	return do(ctx, m)
}

// onStop adds what is to be done in the end.
func (m *machine) onStop(stop func() error) { m.stops = append(m.stops, stop) }

func (m *machine) stop() error {
	var errs []error
	for _, stop := range slices.Backward(m.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// takeFolder makes the data folder and keeps other runs out of it.
func (m *machine) takeFolder(context.Context) error {
	if err := os.MkdirAll(m.Data, 0o750); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(m.Data, "lock"))
	if err != nil {
		return err
	}
	m.onStop(unlock)
	if m.Secrets == "" {
		m.Secrets = filepath.Join(m.Data, "secrets")
	}
	return nil
}

// configure provisions NATS and the database and applies the documents.
func (m *machine) configure(ctx context.Context) error {
	replicas, err := m.natsReplicas(ctx)
	if err != nil {
		return err
	}
	if _, err := topology.Provision(ctx, m.provisioner, replicas); err != nil {
		return err
	}
	docs, err := m.resolve()
	if err != nil {
		return err
	}
	m.set = flow.Set{}.With(docs...)
	if err := m.createTables(ctx); err != nil {
		return err
	}
	if err := m.refill(ctx); err != nil {
		return err
	}
	if _, err := flow.Apply(ctx, m.js, docs, check.Set); err != nil {
		return fmt.Errorf("apply the configuration: %w", err)
	}
	return nil
}
