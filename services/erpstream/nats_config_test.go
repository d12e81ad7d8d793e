package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNATSConfigWrongUse(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ args, want string }{
		{"", "name one format: server, jwt, helm, nack"},
		{"yaml", "name one format"},
		{"jwt", "name a folder with --identities"},
		{"server --rotate transformer", "name their folder with --identities"},
		{"server --auth token --identities " + dir, `--auth: is "token"`},
		{"jwt --auth nkey --identities " + dir, "--auth does not go with jwt"},
		{"helm --identities " + dir, "--identities does not go with helm"},
		{"nack --json", "--json does not go with nack"},
		{"helm --replicas 2", "--replicas: is 2, not 1, 3 or 5"},
		{"server --replicas 3", "--replicas does not go with server"},
		{"server --rotate a --retire b --identities " + dir, "one at a time"},
		{"server --rotate shop --identities " + dir, "there is no identity shop: poller-jushuitan"},
		{"server --sink mysql", "two identities sink-mysql"},
		{"server --sink Web", "--sink: name \"Web\""},
		{"server --subscriber bi", "write NAME=STREAM"},
		{"server --subscriber bi=KV_tokens", "stream KV_tokens is not one that other teams read"},
		{"server --sink webhook --config " + filepath.Join("..", "..", "deploy", "config"), "no flow of --config"},
		{"server --config /nowhere", "/nowhere"},
	} {
		code, out, stderr := run(t, append([]string{"nats-config"}, strings.Fields(tt.args)...)...)
		if code != 2 || !strings.Contains(stderr, tt.want) || out != "" {
			t.Errorf("%s: code %d, %q, want 2 and %q", tt.args, code, stderr, tt.want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("wrong use left %v behind (%v)", left, err)
	}
}

// TestNATSConfigKeepsRotatesAndRetires prints what it did, and never a secret.
func TestNATSConfigKeepsRotatesAndRetires(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	secret := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "watchdog-nats", "nkey"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	state := func(more ...string) string {
		t.Helper()
		code, out, stderr := run(t, append([]string{"nats-config", "server", "--identities", dir, "--auth", "nkey", "--json"}, more...)...)
		var all []identity
		if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil {
			t.Fatalf("%v: code %d, %s, %v", more, code, stderr, err)
		}
		if strings.Contains(out+stderr, secret()) {
			t.Error("the secret was printed")
		}
		for _, i := range all {
			if i.Name == "watchdog" && i.Secret == filepath.Join(dir, "watchdog-nats") && len(i.Publish) > 0 {
				return i.State
			}
		}
		return ""
	}
	if got := state("--subscriber", "bi=RAW,LEDGER"); got != "made" {
		t.Errorf("first: %s", got)
	}
	first := secret()
	if got := state(); got != "kept" || secret() != first {
		t.Errorf("again: %s", got)
	}
	if got := state("--rotate", "watchdog"); !strings.HasPrefix(got, "rotated") || secret() == first {
		t.Errorf("rotated: %s", got)
	}
	if code, _, stderr := run(t, "nats-config", "server", "--identities", dir, "--auth", "nkey", "--rotate", "watchdog"); code != 1 || !strings.Contains(stderr, "--retire watchdog") {
		t.Errorf("rotated twice: code %d, %s", code, stderr)
	}
	if got := state("--retire", "watchdog"); got != "old one retired" {
		t.Errorf("retired: %s", got)
	}
	code, out, _ := run(t, "nats-config", "server", "--identities", dir, "--auth", "nkey")
	if code != 0 || !strings.Contains(out, "watchdog             kept") || !strings.Contains(out, filepath.Join(dir, "accounts.conf")) {
		t.Errorf("the table: %s", out)
	}
	if code, _, stderr := run(t, "nats-config", "jwt", "--identities", dir); code != 1 || !strings.Contains(stderr, "holds identities of kind nkey") {
		t.Errorf("another kind: code %d, %s", code, stderr)
	}
}

func TestNATSConfigPrints(t *testing.T) {
	for format, want := range map[string]string{
		"server": `user: "sink-mysql", password: $ERPSTREAM_SINK_MYSQL`, "helm": "sync_interval: always", "nack": "preventDelete: true",
	} {
		if code, out, stderr := run(t, "nats-config", format); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: code %d, %s; want %q", format, code, stderr, want)
		}
	}
	code, out, _ := run(t, "nats-config", "server", "--json", "--config", filepath.Join("..", "..", "deploy", "config"))
	if code != 0 || !strings.Contains(out, "$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-mysql-bi-main") || strings.Contains(out, `.TARGET.*.target.mysql`) {
		t.Errorf("narrowed: code %d, %s", code, out)
	}
}
