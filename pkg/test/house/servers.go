//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	_ "github.com/go-sql-driver/mysql"
	"golang.org/x/sys/unix"
)

// Namespaces of Kubernetes, beside ours: policies know them by name. The internet is none.
const (
	ours     = "erpstream"
	internet = ""
)

// substitute puts what is there into the place of what is not; this is all of it:
//
//   - the vendors' accounts are those of the sandbox, by its secrets, as is the database's user;
//   - sources are polled at the pace of the demo, and connections have its budgets, for ten minutes are few;
//   - the names of the vendors and the database are those of the sandbox and MariaDB, see hosts, whose
//     certificates are signed by an authority that the pods trust beside those in the image.
//
// demo is the overlay dev.
func (h *house) substitute(demo []object) error {
	documents := of("ConfigMap", demo)
	if len(documents) != 1 {
		return fmt.Errorf("overlay dev has %d ConfigMaps, want that of the documents alone", len(documents))
	}
	for _, o := range of("ConfigMap", h.manifests) {
		h.stored[o.Metadata.Name] = o.Data
		h.documents = o.Data
	}
	for name, text := range documents[0].Data {
		switch {
		case field(text, "source") != "":
			h.documents[name] = text
		case field(text, "connection") != "" && field(text, "budget") != "":
			h.documents[name] += "budget: " + field(text, "budget") + "\n"
		}
	}
	for _, o := range of("Secret", demo) {
		name, fields := o.Metadata.Name[:strings.LastIndex(o.Metadata.Name, "-")], map[string]string{}
		for key, text := range o.Data {
			value, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return fmt.Errorf("secret %s: %w", name, err)
			}
			fields[key] = string(value)
		}
		h.stored[name] = fields
	}
	return nil
}

// field is what a document says at its top level.
func field(document, name string) string {
	for line := range strings.Lines(document) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// endpoints are the hosts that the connections lead to, those of the database apart.
func (h *house) endpoints() (vendors, databases []string, err error) {
	for _, text := range h.documents {
		u, fault := url.Parse(field(text, "endpoint"))
		switch {
		case fault != nil:
			err = errors.Join(err, fault)
		case u.Scheme == "mysql":
			databases = append(databases, u.Hostname())
		case u.Host != "":
			vendors = append(vendors, u.Hostname())
		}
	}
	return vendors, databases, err
}

// hosts is what DNS would answer.
func (h *house) hosts() string {
	var b strings.Builder
	for _, name := range h.names {
		for _, p := range name.pods {
			fmt.Fprintf(&b, "%s %s\n", p.addr, name.host)
		}
	}
	return b.String()
}

// name is a host with the pods behind it.
type name struct {
	host string
	pods []*pod
}

// settle makes the pods that are not ours, and gives the names to this program, too.
func (h *house) settle(ctx context.Context) error {
	for i := range h.nats {
		h.nats[i] = &pod{name: fmt.Sprintf("nats-%d", i), namespace: "nats"}
		h.names = append(h.names, name{h.nats[i].name + ".nats-headless", h.nats[i : i+1]})
	}
	for _, p := range append(h.nats[:], h.database, h.vendors, h.collector, h.prometheus) {
		if err := h.add(ctx, p); err != nil {
			return err
		}
	}
	h.names = append(h.names, name{natsHost, h.nats[:]}, name{"otel-collector.observability.svc.cluster.local", []*pod{h.collector}})
	vendors, databases, err := h.endpoints()
	for _, host := range vendors {
		h.names = append(h.names, name{host, []*pod{h.vendors}})
	}
	for _, host := range databases {
		h.names = append(h.names, name{host, []*pod{h.database}})
	}
	file := filepath.Join(h.dir, "hosts")
	return errors.Join(err, os.WriteFile(file, []byte("127.0.0.1 localhost\n"+h.hosts()), 0o644), unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""))
}

// natsHost is the service of the chart, as the manifests know it.
const natsHost = "nats.nats.svc.cluster.local"

// identities makes a user of NATS for each service, as an operator would, and a certificate beside it.
func (h *house) identities(ctx context.Context) error {
	config, folder := filepath.Join(h.dir, "config"), filepath.Join(h.dir, "nats")
	if err := writeAll(config, h.documents, 0); err != nil {
		return err
	}
	if _, err := h.command(ctx, "nats-config", "server", "--identities", folder, "--config", config); err != nil {
		return err
	}
	secrets, err := filepath.Glob(filepath.Join(folder, "*-nats"))
	if err != nil {
		return err
	}
	for _, dir := range secrets {
		name, fields := filepath.Base(dir), map[string]string{}
		for _, key := range []string{"user", "password"} {
			text, err := os.ReadFile(filepath.Join(dir, key))
			if err != nil {
				return err
			}
			fields[key] = string(text)
		}
		h.stored[name] = fields
		if h.stored[name+"-tls"], err = h.authority.issue(strings.TrimSuffix(name, "-nats"), nil, x509.ExtKeyUsageClientAuth); err != nil {
			return err
		}
	}
	return writeAll(filepath.Join(h.dir, "operator"), h.stored["operator-nats-tls"], 0)
}

// startNATS starts the three servers, configured as by the values for the chart, with the certificates of the
// documentation, and waits until they are a cluster.
func (h *house) startNATS(ctx context.Context) error {
	server, err := h.authority.issue("nats-server", []string{"nats", "nats.nats.svc", natsHost, "*.nats-headless.nats.svc.cluster.local"}, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	route, err := h.authority.issue("nats-route", []string{"*.nats-headless"}, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	dir := filepath.Join(h.dir, "nats")
	if err := errors.Join(writeAll(filepath.Join(dir, "server"), server, 0), writeAll(filepath.Join(dir, "route"), route, 0)); err != nil {
		return err
	}
	for _, p := range h.nats {
		text := strings.NewReplacer("NAME", p.name, "DIR", dir).Replace(`server_name: NAME
listen: 0.0.0.0:4222
http: 0.0.0.0:8222
max_payload: 8MB
jetstream { store_dir: "DIR/NAME", sync_interval: always }
tls { cert_file: "DIR/server/tls.crt", key_file: "DIR/server/tls.key", ca_file: "DIR/server/ca.crt", verify: true }
cluster {
  name: nats, listen: 0.0.0.0:6222, no_advertise: true
  routes: [tls://nats-0.nats-headless:6222, tls://nats-1.nats-headless:6222, tls://nats-2.nats-headless:6222]
  tls { cert_file: "DIR/route/tls.crt", key_file: "DIR/route/tls.key", ca_file: "DIR/route/ca.crt", verify: true }
}
include accounts.conf
`)
		if err := os.WriteFile(h.natsConfig(p), []byte(text), 0o600); err != nil {
			return err
		}
		if err := h.runNATS(p); err != nil {
			return err
		}
	}
	for _, p := range h.nats {
		if err := until(ctx, p.healthy); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) natsConfig(p *pod) string { return filepath.Join(h.dir, "nats", p.name+".conf") }

func (h *house) runNATS(p *pod) (err error) {
	if p.process, err = h.run(p, h.options.natsServer, "-c", h.natsConfig(p)); err == nil {
		h.watch(p.process)
	}
	return err
}

// healthy asks a NATS server whether it has all that the others have.
func (p *pod) healthy(ctx context.Context) error {
	return answers(ctx, fmt.Sprintf("http://%s:8222/healthz", p.addr))
}

// startDatabase starts MariaDB, which takes encrypted connections alone, from a user who may do what the sink needs.
func (h *house) startDatabase(ctx context.Context) error {
	_, hosts, err := h.endpoints()
	if err != nil {
		return err
	}
	files, err := h.authority.issue("mysql", hosts, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	user := h.stored["connection-bi-main"]
	dir := filepath.Join(h.dir, "mysql")
	files["init.sql"] = fmt.Sprintf(`CREATE DATABASE erpstream CHARACTER SET utf8mb4;
CREATE USER '%[1]s'@'%%' IDENTIFIED BY '%[2]s';
GRANT SELECT, INSERT, UPDATE, DELETE ON erpstream.* TO '%[1]s'@'%%';
`, user["user"], user["password"])
	if err := writeAll(dir, files, 0); err != nil {
		return err
	}
	if err := shell(ctx, "PATH=$PATH:/usr/sbin mariadb-install-db --no-defaults --user=root --skip-test-db --auth-root-authentication-method=normal --datadir="+dir+"/data"); err != nil {
		return err
	}
	if h.database.process, err = h.run(h.database, "mariadbd", "--no-defaults", "--user=root", "--datadir="+dir+"/data", "--socket="+socket,
		"--pid-file=mysqld.pid", "--bind-address=0.0.0.0", "--port=3306", "--skip-name-resolve", "--character-set-server=utf8mb4", "--skip-log-bin",
		"--innodb-flush-log-at-trx-commit=1", "--require-secure-transport=ON", "--init-file="+dir+"/init.sql",
		"--ssl-cert="+dir+"/tls.crt", "--ssl-key="+dir+"/tls.key"); err != nil {
		return err
	}
	h.watch(h.database.process)
	if h.db, err = sql.Open("mysql", "root@unix("+socket+")/erpstream?multiStatements=true"); err != nil {
		return err
	}
	if err := until(ctx, h.db.PingContext); err != nil {
		return err
	}
	for _, contract := range []string{"PurchaseIn", "AfterSalesRefund"} {
		ddl, err := h.command(ctx, "ddl", "erpstream.mysql.v1."+contract)
		if err != nil {
			return err
		}
		if _, err := h.db.ExecContext(ctx, string(ddl)); err != nil {
			return err
		}
	}
	return nil
}

// socket has a short name, as such files must.
const socket = "/run/mysqld.sock"

// startVendors starts the sandbox as the overlay dev has it, with more data, and what speaks TLS before it.
func (h *house) startVendors(ctx context.Context, demo []object) error {
	vendors, _, err := h.endpoints()
	if err != nil {
		return err
	}
	for _, o := range of("Deployment", demo) {
		if o.Metadata.Name == "sandbox" {
			h.vendors.spec = o.Spec.Template.Spec
		}
	}
	if len(h.vendors.spec.Containers) != 1 {
		return errors.New("overlay dev has no Deployment sandbox with one container")
	}
	c := h.vendors.spec.Containers[0]
	c.Args = append(c.Args, fmt.Sprintf("--records=%d", h.options.records), fmt.Sprintf("--shops=%d", h.options.records),
		fmt.Sprintf("--edits=%d", h.options.edits), "--edit-rate=2", "--anchor=2026-11-01T00:00:00+08:00")
	if err := h.start(h.vendors, c); err != nil {
		return err
	}
	h.watch(h.vendors.process)
	if err := until(ctx, func(ctx context.Context) error { return answers(ctx, h.control("stats")) }); err != nil {
		return err
	}
	config, err := h.authority.server(vendors)
	if err != nil {
		return err
	}
	l, err := h.vendors.listen(ctx, 443)
	if err != nil {
		return err
	}
	go func() {
		h.fail(fmt.Errorf("vendors: %w", pass(ctx, tls.NewListener(l, config), h.vendors.addr.String()+":9401")))
	}()
	return nil
}

// pass takes connections and passes on what they say.
func pass(ctx context.Context, l net.Listener, to string) error {
	for {
		from, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = from.Close() }()
			back, err := (&net.Dialer{}).DialContext(ctx, "tcp4", to)
			if err != nil {
				return // as the other side will notice
			}
			go func() { _, _ = io.Copy(back, from); _ = back.Close() }() // one side's end is the other's
			_, _ = io.Copy(from, back)
		}()
	}
}

// control is a page of the sandbox's own.
func (h *house) control(page string) string {
	return fmt.Sprintf("http://%s:9401/_sandbox/%s", h.vendors.addr, page)
}

// startCollector takes what OpenTelemetry sends, and counts it.
func (h *house) startCollector(ctx context.Context) error {
	l, err := h.collector.listen(ctx, 4318)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { h.exported.Add(1) })} //nolint:gosec // our own pods alone
	go func() { h.fail(fmt.Errorf("collector: %w", srv.Serve(l))) }()
	return nil
}

// command runs erpstream, from the image, as the operator; the error has what it said.
func (h *house) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(h.images["erpstream"].root, "usr/bin/erpstream"), args...)
	operator, nats := filepath.Join(h.dir, "operator"), filepath.Join(h.dir, "nats", "operator-nats")
	cmd.Env = []string{
		"NATS_URL=tls://" + natsHost + ":4222", "NATS_USER_FILE=" + nats + "/user", "NATS_PASSWORD_FILE=" + nats + "/password",
		"NATS_CA=" + operator + "/ca.crt", "NATS_CERT=" + operator + "/tls.crt", "NATS_KEY=" + operator + "/tls.key",
	}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out, fmt.Errorf("erpstream %s: %w: %s", args[0], err, exit.Stderr)
	}
	return out, err
}
