// Package service is what all services have in common: Main reads the configuration, logs, traces
// and measures, answers health checks, keeps the connection to NATS, and stops in good order. A
// service is readConfig and run.
package service

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/erpstream/erpstream/pkg/login"
)

// Exit codes; --help explains them.
const (
	exitClean  = 0
	exitFailed = 1
	exitConfig = 2
)

// Service is what Main gives to run. Its fields are not to be changed.
type Service struct {
	// Name is the service, Version its build, Instance this process: POD_NAME, or host-pid.
	Name, Version, Instance string
	// Log writes JSON lines to stderr. Pass it on; its ...Context methods add the trace's ids.
	Log *slog.Logger
	// NC was connected once and reconnects for ever; the part "nats" of Health follows it. Do not
	// close it: the service would end with exit code 1.
	NC *nats.Conn
	// JS is JetStream on NC.
	JS jetstream.JetStream
	// Health is what /readyz answers.
	Health *Health
	// Secrets are the credentials of connections.
	Secrets Secrets
	// Grace is how long run may take to finish once its ctx is done: GRACE.
	Grace time.Duration
}

// Main runs a service from its first line of log to its exit code, and does not return.
//
// readConfig reads the service's own variables; its error, and all faults that env found, end the
// process with 2. It is called twice, the first time without any values to learn what --help
// prints and which flags there are, so it only reads.
//
// run is called once NATS was reached; until then /readyz says what is missing. It blocks for as
// long as the service lives. SIGINT or SIGTERM cancels ctx: run then takes no new work, finishes
// what is in hand and returns within GRACE. After a signal nil and context.Canceled are a clean end
// (0), any other error, or none within GRACE, is a failure (1); without a signal, nil is a clean
// end and every error a failure. A second signal ends the process at once (1). A panic is not
// caught: Go prints it and exits with 2. After run the spans and metrics are flushed and NC is
// drained, within 7 seconds.
//
// The global OpenTelemetry providers and slog's default logger are set before run is called.
func Main[C any](name string, readConfig func(env *Env) (C, error), run func(ctx context.Context, cfg C, svc *Service) error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(fmt.Errorf("signal: %s", <-signals))
		<-signals
		os.Exit(exitFailed)
	}()
	p := process{args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(execute(ctx, p, name, readConfig, run))
}

// process is the world around Main.
type process struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
}

// execute is Main without signals and exit: the end of ctx is the signal, the result the code.
func execute[C any](ctx context.Context, p process, name string, readConfig func(*Env) (C, error), run func(context.Context, C, *Service) error) int {
	var cfg C
	set, err := p.configure(name, func(env *Env) (err error) {
		cfg, err = readConfig(env)
		return err
	})
	switch {
	case errors.Is(err, errAnswered):
		return exitClean
	case err != nil:
		explain(p.stderr, name, err)
		return exitConfig
	}
	svc := &Service{
		Name: name, Version: Version(), Instance: set.instance,
		Log: newLog(p.stderr, set.level, name, set.instance), Secrets: Secrets{Dir: set.secretsDir}, Grace: set.grace,
	}
	svc.Health = &Health{log: svc.Log}
	slog.SetDefault(svc.Log)
	svc.Log.Info("starting", "version", svc.Version, "nats", set.nats.shown)
	err = live(ctx, set, svc, func(ctx context.Context) error { return run(ctx, cfg, svc) })
	if err != nil {
		svc.Log.Error("failed", "err", err)
		return exitFailed
	}
	svc.Log.Info("stopped")
	return exitClean
}

// errAnswered says that --help or --version was all that was asked for.
var errAnswered = errors.New("answered")

// configure reads flags and environment; the error holds all faults, one a line.
func (p process) configure(name string, readConfig func(*Env) error) (settings, error) {
	own, common := declared(readConfig)
	asked, flagErr := parseFlags(name, p.args, slices.Concat(own, common))
	switch {
	case errors.Is(flagErr, flag.ErrHelp):
		return settings{}, cmp.Or(help(p.stdout, name, Version(), own, common), errAnswered)
	case flagErr == nil && asked.version:
		_, err := fmt.Fprintln(p.stdout, name, Version())
		return settings{}, cmp.Or(err, errAnswered)
	}
	env := &Env{getenv: p.getenv, flags: asked.values}
	err := readConfig(env)
	set := readSettings(env)
	return set, errors.Join(flagErr, env.Err(), err)
}

// declared returns the variables of the service and those of Main, each once.
func declared(readConfig func(*Env) error) (own, common []variable) {
	env := NewEnv(func(string) string { return "" })
	_ = readConfig(env) // what it thinks of no values is of no interest
	n := len(env.vars)
	readSettings(env)
	return env.vars[:n], env.vars[n:]
}

// explain tells a person what to put right.
func explain(w io.Writer, name string, err error) {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	_, _ = fmt.Fprintf(w, "%s: bad configuration:\n  %s\nRun %s --help for all variables and flags.\n",
		name, strings.Join(lines, "\n  "), name)
}

// answerWithin is how long NATS may take to answer a request whose context has no end of its own. What a
// server was sent just before it stopped is answered by nobody, so without it one would wait for ever.
const answerWithin = 5 * time.Second

// live starts all parts, runs, and stops them in the order: telemetry, NATS, health server.
func live(ctx context.Context, set settings, svc *Service, run func(context.Context) error) error {
	reg := prometheus.NewRegistry()
	t, err := startTelemetry(ctx, set, svc, reg) // before the server: it must not be scraped half made
	defer t.stop(svc)
	if err != nil {
		return err
	}
	stopServer, err := serve(set, svc, reg)
	if err != nil {
		return err
	}
	defer stopServer()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	nc, err := dial(set.nats, svc, cancel)
	if err != nil {
		return err
	}
	defer nc.stop()
	defer t.stop(svc) // first of all; the one above is for what could not be started
	var resting sync.WaitGroup
	defer resting.Wait()
	defer cancel(nil)
	resting.Go(func() { rest(ctx) })

	if err := nc.wait(ctx); err != nil {
		return outcome(ctx, err)
	}
	svc.NC = nc.nc
	if svc.JS, err = jetstream.New(nc.nc, jetstream.WithPublishAsyncTimeout(answerWithin)); err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	return outcome(ctx, supervise(ctx, set.grace, svc, run))
}

// supervise calls run and, once ctx is done, waits for it no longer than grace.
func supervise(ctx context.Context, grace time.Duration, svc *Service, run func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- run(ctx) }() // left behind when it does not stop: the process ends
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	svc.Log.Info("stopping", "cause", context.Cause(ctx), "grace", grace.String())
	svc.Health.quietly("service", errors.New("stopping"))
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("the work in hand was not finished within %s (GRACE)", grace)
	}
}

// outcome says whether the end was clean: that depends on why ctx ended.
func outcome(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), errClosed), errors.Is(context.Cause(ctx), login.ErrOtherKey):
		return errors.Join(context.Cause(ctx), err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	default:
		return err
	}
}
