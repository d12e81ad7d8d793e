package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
)

// natsServer is how a command finds NATS.
type natsServer struct {
	url, creds, ca, cert, key, user, passwordFile string
}

// flags adds the flags to a command and those below it.
func (s *natsServer) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&s.url, "nats", cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), "address of the NATS server (NATS_URL)")
	f.StringVar(&s.creds, "nats-creds", os.Getenv("NATS_CREDS"), "file with credentials (NATS_CREDS)")
	f.StringVar(&s.ca, "nats-ca", os.Getenv("NATS_CA"), "file with the CA of the server (NATS_CA)")
	f.StringVar(&s.cert, "nats-cert", os.Getenv("NATS_CERT"), "file with the client certificate (NATS_CERT)")
	f.StringVar(&s.key, "nats-key", os.Getenv("NATS_KEY"), "file with the key of the client certificate (NATS_KEY)")
	f.StringVar(&s.user, "nats-user", os.Getenv("NATS_USER"), "user name (NATS_USER)")
	f.StringVar(&s.passwordFile, "nats-password-file", os.Getenv("NATS_PASSWORD_FILE"), "file with the password of the user (NATS_PASSWORD_FILE)")
}

// connect opens a connection; close it when done.
func (s *natsServer) connect() (jetstream.JetStream, func(), error) {
	opts := []nats.Option{nats.Name("erpstream")}
	if s.creds != "" {
		opts = append(opts, nats.UserCredentials(s.creds))
	}
	if s.ca != "" {
		opts = append(opts, nats.RootCAs(s.ca))
	}
	if s.cert != "" {
		opts = append(opts, nats.ClientCert(s.cert, s.key))
	}
	if s.user != "" {
		password, err := os.ReadFile(s.passwordFile)
		if err != nil {
			return nil, nil, misuse{fmt.Errorf("--nats-password-file (NATS_PASSWORD_FILE) can't be read: %w", err)}
		}
		opts = append(opts, nats.UserInfo(s.user, strings.TrimRight(string(password), "\r\n")))
	}
	nc, err := nats.Connect(s.url, opts...)
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
