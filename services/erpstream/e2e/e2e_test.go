// Package e2e runs the real programs as a user does, `erpstream up` and its child processes, and
// compares what arrives at the target with what the sandbox holds, field by field.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/mysqltest"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// config holds the shipped connections, sources and flows.
var config = filepath.Join("..", "..", "..", "deploy", "config")

// binaries is the folder with the programs; -binaries names one that has them already.
var (
	binaries string
	built    = flag.String("binaries", "", "folder with programs to test instead of those of the tree")
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	binaries, err = filepath.Abs(cmp.Or(*built, filepath.Join("..", "..", "..", "build", "e2e")))
	if err == nil && *built == "" {
		err = build(binaries)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	mysqltest.Main(m)
}

// build builds all services, and a NATS server, into a folder; flags are further ones of `go build`.
func build(folder string, flags ...string) error {
	services, err := filepath.Glob(filepath.Join("..", "..", "*", "main.go"))
	if err != nil {
		return err
	}
	if _, err := natstest.BuildServer(folder); err != nil {
		return err
	}
	args := append([]string{"build", "-o", folder + string(filepath.Separator)}, flags...)
	for _, main := range services {
		args = append(args, "./"+filepath.Base(filepath.Dir(main)))
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the services: %w\n%s", err, out)
	}
	return nil
}

// house is one data folder with a database of its own, in which `up` can run again and again, with
// all flows or only one.
type house struct {
	t    *testing.T
	data string
	dsn  string
	only string
	// cluster is the NATS to use instead of the embedded server, if any.
	cluster *natstest.Cluster
	// ended is closed when the program of untilIdle has ended; said is its standard error so far.
	ended <-chan struct{}
	said  *output
	// env is added to the environment of the programs, programs is another folder with them, and sandboxArgs
	// are arguments of the sandbox in all runs.
	env         []string
	programs    string
	sandboxArgs []string
}

// over reports whether the program of untilIdle has ended.
func (h *house) over() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// purchases is the flow that the tests of the machinery run alone.
const purchases = "jst-purchasein-to-mysql"

func newHouse(t *testing.T) *house {
	return &house{t: t, data: t.TempDir(), dsn: mysqltest.Open(t).DSN(), only: purchases}
}

// account is one flow of the report.
type account struct {
	Flow        string `json:"flow"`
	SourceTotal int64  `json:"source_total"`
	Removed     int64  `json:"removed"`
	Published   int64  `json:"published"`
	Unchanged   int64  `json:"unchanged"`
	Filtered    int64  `json:"filtered"`
	Mapped      int64  `json:"mapped"`
	Delivered   int64  `json:"delivered"`
	Superseded  int64  `json:"superseded"`
	Dead        int64  `json:"dead"`
	Parked      int64  `json:"parked"`
	InFlight    int64  `json:"in_flight"`
	Balanced    bool   `json:"balanced"`
}

// run is a finished `erpstream up`: flow is the one of a house with only one.
type run struct {
	code   int
	stderr string
	flow   account
	report report
}

// report is what it printed.
type report struct {
	Flows      []account `json:"flows"`
	References []account `json:"references"`
	ElapsedMS  int64     `json:"elapsed_ms"`
}

// patience is how long anything may take on a slow machine before a test gives it up for lost.
const patience = 15 * time.Minute

// untilIdle runs `erpstream up --until-idle --json` to its end; during, if any, runs meanwhile. No service may do
// what NATS refuses.
func (h *house) untilIdle(during func(), args ...string) run {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience+time.Minute)
	defer cancel()
	cmd := h.command(ctx, append([]string{"--until-idle", "--json", "--timeout", patience.String()}, args...)...)
	var stdout bytes.Buffer
	h.said = &output{}
	cmd.Stdout, cmd.Stderr = &stdout, h.said
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	var err error
	ended := make(chan struct{})
	h.ended = ended
	go func() { err = cmd.Wait(); close(ended) }()
	if during != nil {
		during()
	}
	<-ended
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		h.t.Fatal(err)
	}
	r := run{code: cmd.ProcessState.ExitCode(), stderr: h.said.String()}
	if refused := lines(r.stderr, "Violation"); len(refused) > 0 {
		h.t.Errorf("NATS refused %d times what a service did: %s", len(refused), refused[0])
	}
	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r.report); err == nil && len(r.report.Flows) == 1 {
		r.flow = r.report.Flows[0]
	}
	if dec.More() {
		h.t.Errorf("more than one JSON object on standard output")
	}
	return r
}

// balanced fails the test unless the run ended balanced.
func (h *house) balanced(r run) {
	h.t.Helper()
	if r.code != 0 || !r.flow.Balanced {
		h.t.Fatalf("exit code %d, account %+v\n%s", r.code, r.flow, last(r.stderr, 4000))
	}
}

func (h *house) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"up", "--data", h.data, "--listen", "0", "--mysql", h.dsn, "--config", config}, args...)
	if h.only != "" {
		args = append(args, "--only", h.only)
	}
	if h.cluster != nil {
		args = append(args, "--nats", h.cluster.URL(), "--nats-replicas", fmt.Sprint(natstest.Servers))
	}
	for _, arg := range h.sandboxArgs {
		args = append(args, "--sandbox-arg="+arg)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(cmp.Or(h.programs, binaries), "erpstream"), args...)
	cmd.Env = append(os.Environ(), h.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// kill sends SIGKILL to a service of this house and returns false when it is not running.
func (h *house) kill(service string) bool {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.data, "run", service+".pid"))
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(string(text))
	return err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// documents is a page of the sandbox that lists what a system holds.
type documents []map[string]any

// held returns what the sandbox of this house holds, a list for each page; its program is run
// again on its data.
func (h *house) held(pages ...string) map[string]documents {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	args := []string{"--listen", "127.0.0.1:0", "--data", filepath.Join(h.data, "sandbox")}
	for _, arg := range h.sandboxArgs {
		if strings.HasPrefix(arg, poisonShare) { // which says what the documents are like
			args = append(args, arg)
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, "sandbox"), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	var where struct {
		Listening string `json:"listening"`
	}
	if err := json.NewDecoder(stdout).Decode(&where); err != nil {
		h.t.Fatalf("run the sandbox again, %v: %v", args, err)
	}
	return read(h.t, "http://"+where.Listening+"/_sandbox/", pages...)
}

// read returns the lists of pages of a sandbox that runs.
func read(t *testing.T, sandbox string, pages ...string) map[string]documents {
	t.Helper()
	all := map[string]documents{}
	for _, page := range pages {
		var list struct {
			Datas documents `json:"datas"`
		}
		getJSON(t, sandbox+page, &list)
		all[page] = list.Datas
	}
	return all
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	if err := fetchJSON(t.Context(), url, into); err != nil {
		t.Fatal(err)
	}
}

// fetchJSON reads a page; numbers keep their digits.
func fetchJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// last returns the end of a text.
func last(text string, n int) string { return text[max(0, len(text)-n):] }

// eventually waits for something that another process does.
func eventually(t *testing.T, check func() error) { t.Helper(); natstest.Eventually(t, check) }

// lines returns the lines of a text that hold all words.
func lines(text string, words ...string) []string {
	var found []string
next:
	for line := range strings.Lines(text) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}
