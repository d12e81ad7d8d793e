// Package mysqld runs a private MariaDB or MySQL server from the machine's own packages: on
// loopback, with its data in one folder and a password of its own. Tests and `erpstream up` use
// it; it is no way to run a database for good.
package mysqld

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// user is the account that Start makes; it may do all, from loopback only.
const user = "erpstream"

// stopTimeout is how long a server may take to flush and end before it is killed.
const stopTimeout = 30 * time.Second

// Options says where an instance lives.
type Options struct {
	// Dir holds the data, the password and the init file; it is made when it is not there, and a
	// later start in it finds the data again.
	Dir string
	// Port is the port on 127.0.0.1; 0 takes a free one.
	Port int
	// Database is made when it is not there; "erpstream" when empty.
	Database string
	// Log gets what the server prints; nil drops it.
	Log io.Writer
}

// Instance is a running server.
type Instance struct {
	// Addr is host:port.
	Addr string
	// User and Password are the account to use; Database is the one that Start made.
	User, Password, Database string

	process *os.Process
	output  *tail
	done    chan struct{}
	err     error // what the process ended with; read it after done
}

// Start starts a server in o.Dir and returns when it answers. ctx bounds the start; the server
// then runs until Stop, and dies with this process where the system can do that (Linux).
func Start(ctx context.Context, o Options) (*Instance, error) {
	bin, err := find(ctx)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	o.Database = cmp.Or(o.Database, "erpstream")
	if strings.ContainsAny(o.Database, "`\\\n") {
		return nil, fmt.Errorf("name of the database %q: letters, digits and underscores only", o.Database)
	}
	if o.Port, err = freePort(ctx, o.Port); err != nil {
		return nil, err
	}
	password, err := prepare(ctx, bin, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("prepare a database server in %s: %w", o.Dir, err)
	}
	in := &Instance{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)), User: user, Password: password,
		Database: o.Database, output: &tail{next: o.Log}, done: make(chan struct{}),
	}
	if err := in.run(ctx, bin.server, o); err != nil {
		return nil, fmt.Errorf("start %s: %w", bin.server, err)
	}
	return in, nil
}

// DSN returns how go-sql-driver/mysql opens the instance's database.
func (in *Instance) DSN() string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", in.User, in.Password, in.Addr, in.Database)
}

// Done is closed when the server has ended, by Stop or by itself.
func (in *Instance) Done() <-chan struct{} { return in.done }

// Stop ends the server in order and waits for it; one that takes too long is killed. Stopping
// twice is fine.
func (in *Instance) Stop() error {
	_ = in.process.Signal(syscall.SIGTERM)
	select {
	case <-in.done:
		return in.err
	case <-time.After(stopTimeout):
	}
	_ = in.process.Kill()
	<-in.done
	return fmt.Errorf("database server at %s did not stop within %s and was killed", in.Addr, stopTimeout)
}

// run starts the process and waits until it answers.
func (in *Instance) run(ctx context.Context, server string, o Options) error {
	if err := writeInit(o.Dir, in.Password, in.Database); err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), server, arguments(o)...) //nolint:gosec // the server that find found, with arguments of our own
	cmd.Stdout, cmd.Stderr = in.output, in.output
	started := make(chan error, 1)
	go in.keep(cmd, started)
	if err := <-started; err != nil {
		return err
	}
	err := in.answer(ctx)
	if err != nil {
		_ = in.Stop()
	}
	return err
}

// answer waits until the server greets, ends, or ctx does.
func (in *Instance) answer(ctx context.Context) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if greets(ctx, in.Addr) {
			return nil
		}
		select {
		case <-in.done:
			return fmt.Errorf("it ended at once; its last words:\n%s", in.output)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer at %s: %w; its last words:\n%s", in.Addr, ctx.Err(), in.output)
		case <-tick.C:
		}
	}
}

// greets reports whether a server at addr sends the greeting of MySQL's protocol, version 10. A
// server that still starts takes connections and says nothing.
func greets(ctx context.Context, addr string) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	greeting := make([]byte, 5) // a header of four bytes, then the version
	_, err = io.ReadFull(conn, greeting)
	return err == nil && greeting[4] == 10
}

// freePort returns want, or a port that is free now.
func freePort(ctx context.Context, want int) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(want)))
	if err != nil {
		return 0, fmt.Errorf("port for a database server: %w", err)
	}
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, errors.Join(err, l.Close())
	}
	port, err := strconv.Atoi(text)
	return port, errors.Join(err, l.Close())
}

// arguments is the server's command line: small buffers, but every commit on the disk. Options
// that one of the two servers lacks are "loose".
func arguments(o Options) []string {
	args := []string{
		"--no-defaults",
		"--datadir=" + dataDir(o.Dir),
		"--init-file=" + filepath.Join(o.Dir, initFile),
		"--socket=mysqld.sock", // in the data folder: a longer path may not fit
		"--pid-file=mysqld.pid",
		"--bind-address=127.0.0.1",
		"--port=" + strconv.Itoa(o.Port),
		"--skip-name-resolve",
		"--character-set-server=utf8mb4",
		"--innodb-buffer-pool-size=64M",
		"--innodb-flush-log-at-trx-commit=1",
		"--loose-innodb-log-file-size=48M",
		"--loose-skip-log-bin",
		"--loose-performance-schema=OFF",
		"--loose-mysqlx=OFF",
	}
	return append(args, asUser()...)
}

// asUser lets a server run as root where this process does; it refuses to otherwise.
func asUser() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// ErrNoServer means that no database server is installed.
var ErrNoServer = errors.New("no mariadbd or mysqld on PATH or in /usr/sbin: install the package mariadb-server or mysql-server")
