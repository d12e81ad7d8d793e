package natstest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// childStore is the variable that makes the test's program a server, which stores in the folder it names.
const childStore = "ERPSTREAM_TEST_NATS_STORE"

// Main is for TestMain of packages that use StartChild: it runs the tests, or in a child the server, and
// returns the exit code.
func Main(m *testing.M) int {
	dir := os.Getenv(childStore)
	if dir == "" {
		return m.Run()
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		fmt.Fprintln(os.Stderr, "the NATS server did not come up in 10 s")
		return 1
	}
	fmt.Fprintln(os.Stdout, s.ClientURL())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
	s.Shutdown()
	return 0
}

// Child is a server in a process of its own, so that what it costs can be told from what its client does.
type Child struct {
	// URL is where clients reach it.
	URL string
	pid int
}

// StartChild starts an empty server with file storage, on TCP loopback and with what it acknowledges on the
// disk; it ends with the test. The package's TestMain must call Main.
func StartChild(t testing.TB) Child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-test.run=^$") // until stdin is closed
	cmd.Env = append(os.Environ(), childStore+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop.Close(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the NATS server did not say where it is: %v", err)
	}
	return Child{URL: strings.TrimSpace(url), pid: cmd.Process.Pid}
}

// Connect opens a connection, which is closed with the test.
func (c Child) Connect(t testing.TB) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

// CPU is the time that the server has worked so far, in user and system mode.
func (c Child) CPU(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third of proc(5) on
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}
