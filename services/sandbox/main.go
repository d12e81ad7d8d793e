// Command sandbox imitates the vendors that erpstream talks to, so that it can be run, shown and
// tested without an account: Jushuitan, Wangdiantong, the gateway of Kingdee with Xingchen and KIS
// behind it, and a MySQL-compatible database.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // images have no zone files

	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/services/sandbox/internal/mysqld"
)

// stopTime is how long calls in hand may take once the program is to stop.
const stopTime = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Once it does, one line of JSON on out says where.
func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	c, err := readConfig(args, time.Now(), errOut)
	if err != nil {
		return err
	}
	log := newLogger(errOut, c.Verbose)
	vendors, err := openVendors(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, vendors.Close()) }()

	web, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serve vendors: %w", err)
	}
	where := addresses{Listening: web.Addr().String()}
	g, ctx := errgroup.WithContext(ctx)
	if c.MySQLListen != "" {
		db, err := mysqld.Listen(c.MySQLListen, c.MySQLUser, c.MySQLPassword)
		if err != nil {
			return errors.Join(fmt.Errorf("serve MySQL: %w", err), web.Close())
		}
		where.MySQL = db.Addr().String()
		g.Go(func() error { return db.Run(ctx) })
	}
	g.Go(func() error { return serve(ctx, web, vendors.handler(c, log)) })
	g.Go(func() error { return vendors.run(ctx) })
	log.Info("sandbox serves", "address", where.Listening, "mysql", where.MySQL, "documents", c.Dataset.Records)
	return errors.Join(json.NewEncoder(out).Encode(where), g.Wait())
}

// addresses is the line on standard output.
type addresses struct {
	Listening string `json:"listening"`
	MySQL     string `json:"mysql,omitempty"`
}

// serve answers calls until ctx ends, and then finishes those in hand.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	g := errgroup.Group{}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve vendors: %w", err)
		}
		return nil
	})
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close() // whoever still waits was given time
	}
	return g.Wait()
}

func newLogger(to io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}
