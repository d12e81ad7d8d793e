package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
)

// natsServer is how a command finds NATS, and who it is there.
type natsServer struct {
	url string
	who login.Login
	// program is the one whose identity is used, where it is not this command's own.
	program string
}

// flags adds the flags to a command and those below it.
func (s *natsServer) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&s.url, "nats", cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), "address of the NATS server (NATS_URL)")
	for _, setting := range login.Settings() {
		f.StringVar(setting.Value(&s.who), flagOf(setting.Name), os.Getenv(setting.Name), setting.Help+" ("+setting.Name+")")
	}
}

// flagOf is the flag of a variable: that of NATS_CREDS is nats-creds.
func flagOf(variable string) string {
	return strings.ReplaceAll(strings.ToLower(variable), "_", "-")
}

// connect opens a connection; close it when done.
func (s *natsServer) connect() (jetstream.JetStream, func(), error) {
	var faults []error
	for _, fault := range s.who.Faults() {
		faults = append(faults, fmt.Errorf("--%s (%s) %w", flagOf(fault.Name), fault.Name, fault.Err))
	}
	if len(faults) > 0 {
		return nil, nil, misuse{errors.Join(faults...)}
	}
	who, err := s.who.Options(func(error) {}) // a command connects once
	if err != nil {
		return nil, nil, err
	}
	nc, err := nats.Connect(s.url, append(who,
		nats.Name("erpstream"), nats.CustomInboxPrefix(topology.InboxPrefix(cmp.Or(s.program, topology.Command))))...)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to NATS: %w (is the server up? --nats or NATS_URL says where)", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return js, nc.Close, nil
}

// withStored does something with NATS and the configuration that is stored there.
func (s *natsServer) withStored(ctx context.Context, do func(js jetstream.JetStream, stored flow.Snapshot) error) error {
	js, closeNATS, err := s.connect()
	if err != nil {
		return err
	}
	defer closeNATS()
	stored, err := flow.Load(ctx, js)
	if err != nil {
		return err
	}
	return do(js, stored)
}

// printJSON writes one value, indented.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printLine writes one value as one line of JSON.
func printLine(out io.Writer, v any) error { return json.NewEncoder(out).Encode(v) }
