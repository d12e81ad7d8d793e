package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

// roles are those of commands that have an identity of their own.
var roles = map[string]string{"provision": topology.RoleProvision, "backup": topology.RoleBackup, "restore": topology.RoleBackup}

// run executes a command as main does, with the identity of its own where natsURL has set one.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if operator := os.Getenv(login.Nkey); operator != "" && roles[args[0]] != "" && !slices.Contains(args, "verify") {
		args = append(args, "--nats-nkey", strings.Replace(operator, topology.RoleOperator+"-nats", roles[args[0]]+"-nats", 1))
	}
	var out, errOut bytes.Buffer
	code = execute(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

// natsURL starts a NATS server with a port and the permissions of production, and returns its address. The
// commands of the test may do what operators may; the connection that it returns may do everything.
func natsURL(t *testing.T) (string, jetstream.JetStream) {
	t.Helper()
	dir := t.TempDir()
	folder, err := natsconfig.Open(dir, natsconfig.Nkey)
	if err != nil {
		t.Fatal(err)
	}
	roles := topology.Roles(topology.Scope{})
	if _, err := folder.Keep(roles); err != nil {
		t.Fatal(err)
	}
	accounts, err := folder.Write(roles)
	if err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(accounts)
	if err != nil {
		t.Fatal(err)
	}
	options.JetStream, options.StoreDir, options.Host, options.Port = true, t.TempDir(), "127.0.0.1", server.RANDOM_PORT
	options.Users = append(options.Users, &server.User{Username: "admin", Password: "admin", Account: options.Accounts[0]})
	s := natstest.Start(t, options)
	t.Setenv(login.Nkey, filepath.Join(folder.Secrets(topology.RoleOperator), "nkey"))
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("admin", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return s.ClientURL(), js
}

const (
	goodConnections = `connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
settings: {app_key: k}
---
connection: bi
system: mysql
endpoint: mysql://db:3306/bi
`
	goodSource = `source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
`
)

// shippedFlow is the purchase-in flow as it is shipped, on the documents above.
func shippedFlow(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "config", "flows", "jst-purchasein-to-mysql.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("from: jst-purchasein", "from: receipts", "connection: bi-main", "connection: bi").Replace(string(text))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestApplyStoresAllOrNothing(t *testing.T) {
	url, js := natsURL(t)
	if code, _, stderr := run(t, "apply", "--nats", url, write(t, "a.yaml", goodConnections)); code != 1 || !strings.Contains(stderr, "erpstream provision") {
		t.Errorf("apply without provision: exit code %d, %q", code, stderr)
	}
	if code, out, stderr := run(t, "provision", "--nats", url, "--plan"); code != 0 || !strings.Contains(out, "create  RAW") {
		t.Errorf("plan: exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr := run(t, "provision", "--nats", url); code != 0 {
		t.Fatalf("provision: exit code %d, %q", code, stderr)
	}
	if code, out, _ := run(t, "provision", "--nats", url, "--json"); code != 0 || !strings.Contains(out, `"action": "keep"`) || strings.Contains(out, "create") {
		t.Errorf("second provision: exit code %d, %s", code, out)
	}
	bad := strings.Replace(shippedFlow(t), "items_qty: item.qty", "items_qtty: item.qty", 1)
	files := []string{write(t, "connections.yaml", goodConnections), write(t, "source.yaml", goodSource), write(t, "flow.yaml", bad)}
	code, _, stderr := run(t, append([]string{"apply", "--nats", url}, files...)...)
	if code != 2 || !strings.Contains(stderr, "flow.yaml:") || !strings.Contains(stderr, "items_qtty") {
		t.Errorf("a wrong flow: exit code %d, %q", code, stderr)
	}
	if stored, err := flow.Load(t.Context(), js); err != nil || len(stored.Documents) != 0 {
		t.Errorf("%d documents stored after a refused apply, %v", len(stored.Documents), err)
	}
	files[2] = write(t, "flow.yaml", shippedFlow(t))
	if code, out, stderr := run(t, append([]string{"apply", "--nats", url}, files...)...); code != 0 || strings.Count(out, "create") != 4 {
		t.Fatalf("apply: exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, _ := run(t, append([]string{"apply", "--nats", url}, files...)...); code != 0 || strings.Count(out, "keep") != 4 {
		t.Errorf("the same again: exit code %d, %q", code, out)
	}
	if code, out, _ := run(t, "flow", "list", "--nats", url); code != 0 || !strings.Contains(out, "jst-purchasein-to-mysql") {
		t.Errorf("flow list: exit code %d, %q", code, out)
	}
	if code, out, _ := run(t, "source", "show", "receipts", "--nats", url); code != 0 || !strings.Contains(out, "every: 5m") {
		t.Errorf("source show: exit code %d, %q", code, out)
	}
	if code, _, stderr := run(t, "connection", "show", "nobody", "--nats", url); code != 1 || !strings.Contains(stderr, "bi jst") {
		t.Errorf("connection show nobody: exit code %d, %q", code, stderr)
	}
}

// TestApplyReadsMountedConfigMap reads a folder as Kubernetes mounts a ConfigMap: links to files that lie in a
// folder beside them.
func TestApplyReadsMountedConfigMap(t *testing.T) {
	mount := t.TempDir()
	if err := os.Mkdir(filepath.Join(mount, "..2026_11_22"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..2026_11_22", "..data")
	for name, text := range map[string]string{"connections.yaml": goodConnections, "source.yaml": goodSource, "flow.yaml": shippedFlow(t)} {
		if err := os.WriteFile(filepath.Join(mount, "..2026_11_22", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		link("..data/"+name, name)
	}
	url, _ := natsURL(t)
	if code, _, stderr := run(t, "provision", "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	if code, out, stderr := run(t, "apply", "--nats", url, mount); code != 0 || strings.Count(out, "create") != 4 {
		t.Errorf("apply: exit code %d, %q, %q", code, out, stderr)
	}
}

func TestUserAndPassword(t *testing.T) {
	s := natstest.Start(t, &server.Options{
		JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1, Username: "provision", Password: "geheim",
	})
	provision := []string{"provision", "--plan", "--nats", s.ClientURL(), "--nats-user", "provision", "--nats-password-file"}
	if code, _, stderr := run(t, append(provision, write(t, "password", "geheim\n"))...); code != 0 {
		t.Errorf("the right password: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, append(provision, write(t, "password", "falsch"))...); code != 1 || !strings.Contains(stderr, "Authorization Violation") || strings.Contains(stderr, "falsch") {
		t.Errorf("a wrong password: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, append(provision, "/none/password")...); code != 2 || !strings.Contains(stderr, "NATS_PASSWORD_FILE") {
		t.Errorf("no file: exit code %d, %q", code, stderr)
	}
}

func TestJobsAreQueued(t *testing.T) {
	url, js := natsURL(t)
	if code, _, stderr := run(t, "provision", "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := run(t, "apply", "--nats", url, write(t, "a.yaml", goodConnections+"---\n"+goodSource)); code != 0 {
		t.Fatal(stderr)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"source", "poll", "receipts"}, 0, "connection jst"},
		{[]string{"source", "poll", "nobody"}, 1, "receipts"},
		{[]string{"source", "backfill", "receipts", "--from", "2026-01-01", "--to", "2026-02-01"}, 0, "2026-01-01T00:00:00+08:00 to 2026-02-01T00:00:00+08:00"},
		{[]string{"source", "backfill", "receipts", "--from", "2026-02-01", "--to", "2026-01-01"}, 2, "not before"},
		{[]string{"source", "backfill", "receipts", "--from", "yesterday", "--to", "2026-01-01"}, 2, "--from"},
	}
	for _, tt := range tests {
		code, out, stderr := run(t, append(tt.args, "--nats", url)...)
		if code != tt.code || !strings.Contains(out+stderr, tt.want) {
			t.Errorf("%v: exit code %d, %q, %q, want %d with %q", tt.args, code, out, stderr, tt.code, tt.want)
		}
	}
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	if got := polls.CachedInfo().State.Msgs; got != 2 {
		t.Errorf("%d jobs queued, want 2", got)
	}
}

func TestWrongDocumentsAreNamedByPlace(t *testing.T) {
	good := shippedFlow(t)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown field of a document", strings.Replace(goodSource, "every", "evry", 1), []string{":4:1:", "evry", "every"}},
		{"unknown field of the message", strings.Replace(good, "warehouse: record.warehouse", "warehose: record.warehouse", 1), []string{":21:7:", "warehose", "warehouse"}},
		{"wrong type", strings.Replace(good, "po_id: record.po_id", `po_id: '"none"'`, 1), []string{":22:14:", "po_id", "wants int"}},
		{"missing required field", strings.Replace(good, "      items_qty: item.qty\n", "", 1), []string{"items_qty", "required"}},
		{"bad YAML", "flow: [a\n", []string{":1:"}},
		{"unknown feed", strings.Replace(goodSource, "jushuitan.purchasein", "jushuitan.purchaseinn", 1), []string{":3:", "jushuitan.purchaseinn", "jushuitan.purchasein"}},
		{"unknown source", strings.Replace(good, "from: receipts", "from: reciepts", 1), []string{":5:", "reciepts", "receipts"}},
		{"unknown function", strings.Replace(good, "datetime(record.io_date)", "datetme(record.io_date)", 1), []string{"io_date", "datetme"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := []string{write(t, "connections.yaml", goodConnections)}
			switch {
			case strings.HasPrefix(tt.text, "source"):
				files = append(files, write(t, "wrong.yaml", tt.text))
			default:
				files = append(files, write(t, "source.yaml", goodSource), write(t, "wrong.yaml", tt.text))
			}
			code, out, stderr := run(t, append([]string{"flow", "check"}, files...)...)
			if code != 2 || out != "" {
				t.Errorf("exit code %d, standard output %q, want 2 and none", code, out)
			}
			for _, want := range append(tt.want, "wrong.yaml") {
				if !strings.Contains(stderr, want) {
					t.Errorf("standard error lacks %q:\n%s", want, stderr)
				}
			}
			t.Log(stderr)
		})
	}
}

// TestWrongOptionsOfATarget are found in the document, not at night.
func TestWrongOptionsOfATarget(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "deploy", "config"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "flows", "jst-shops-to-kingdee.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "flow", "check", folder); code != 0 {
		t.Fatalf("the shipped documents: exit code %d, %s", code, stderr)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "on_removed: keep", "on_removed: kep", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := run(t, "flow", "check", folder)
	if want := `jst-shops-to-kingdee.yaml:11:12: target.options: option on_removed is "kep": want keep or delete`; code != 2 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, standard error %q, want 2 and %q", code, stderr, want)
	}
}

func TestMisuse(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"aply"}, 2, "aply"},
		{[]string{"apply"}, 2, "apply FILE"},
		{[]string{"source", "pol"}, 2, "poll"},
		{[]string{"apply", write(t, "a.yaml", goodSource), write(t, "b.yaml", goodSource)}, 2, "stands in"},
		{[]string{"apply", "/does/not/exist"}, 2, "/does/not/exist"},
		{[]string{"apply", filepath.Join("..", "..", "deploy", "config")}, 2, "sandbox"},
		{[]string{"provision", "--replica", "3"}, 2, "--replica"},
		{[]string{"provision", "--nats", "nats://127.0.0.1:1"}, 1, "is the server up"},
		{[]string{"ddl", "erpstream.mysql.v1.Nothing"}, 2, "erpstream.mysql.v1.PurchaseIn"},
		{[]string{"up", "--only", "nobody", "--config", filepath.Join("..", "..", "deploy", "config")}, 2, "jst-purchasein-to-mysql"},
		{[]string{"up", "--config", t.TempDir()}, 2, "no documents"},
	}
	for _, tt := range tests {
		code, _, stderr := run(t, tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %q, want %d with %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
}

func TestDDLPrintsTheTable(t *testing.T) {
	code, out, stderr := run(t, "ddl", "erpstream.mysql.v1.PurchaseIn")
	if code != 0 || strings.Count(out, "CREATE TABLE") != 2 || !strings.Contains(out, "`items_cost_amount` DECIMAL(18,4)") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
}
