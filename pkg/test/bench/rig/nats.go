package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsMode is the mode in which this program is a NATS server.
const natsMode = "nats"

// Servers are the modes that a rig itself needs.
func Servers() Modes { return Modes{natsMode: serveNATS} }

// maxPayload is that of `erpstream up`, in bytes.
const maxPayload = 8 << 20

// startWait bounds the start of a server.
const startWait = 30 * time.Second

// NATS is a server with JetStream, its streams in files.
type NATS struct {
	*Process
	// URL is where clients reach it.
	URL string
}

// NATS starts a server of its own with its data in the rig's folder. With always it flushes each message
// to the disk before it acknowledges it, else as often as is its default.
func (r *Rig) NATS(ctx context.Context, name string, always bool) (*NATS, error) {
	folder, err := r.Folder(filepath.Join("nats", name))
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := r.Self("nats-"+name, natsMode, "-address", address, "-store", folder, "-always="+strconv.FormatBool(always))
	if err != nil {
		return nil, err
	}
	n := &NATS{Process: p, URL: "nats://" + address}
	return n, n.answers(ctx)
}

// Connect opens a connection, which ends with the rig.
func (r *Rig) Connect(n *NATS) (jetstream.JetStream, error) {
	nc, err := nats.Connect(n.URL, nats.Name("bench"))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", n.URL, err)
	}
	r.OnClose(func() error { nc.Close(); return nil })
	return jetstream.New(nc)
}

// answers waits until JetStream answers.
func (n *NATS) answers(ctx context.Context) error {
	return until(ctx, n.Process, func(ctx context.Context) error {
		nc, err := nats.Connect(n.URL)
		if err != nil {
			return err
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		_, err = js.AccountInfo(ctx)
		return err
	})
}

// until calls check until it returns nil; a process that ends meanwhile is an error.
func until(ctx context.Context, p *Process, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("%s ended at once: %s", p.name, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", p.name, err, p.lastWords())
		case <-tick.C:
		}
	}
}

// serveNATS is the program that NATS starts.
func serveNATS(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(natsMode, flag.ContinueOnError)
	address := flags.String("address", "", "where to listen")
	store := flags.String("store", "", "folder of the streams")
	always := flags.Bool("always", false, "sync_interval: always")
	if err := flags.Parse(args); err != nil {
		return err
	}
	host, port, err := splitAddress(*address)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", Host: host, Port: port, NoSigs: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: *store, SyncAlways: *always,
	})
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	go s.Start()
	if !s.ReadyForConnections(startWait) {
		return errors.New("not ready")
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
