package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program itself, so that it can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_TEST_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// child is a running sandbox.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	where addresses
	log   *bytes.Buffer
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], append([]string{"--listen", "127.0.0.1:0"}, args...)...), log: &bytes.Buffer{}}
	c.cmd.Env = append(os.Environ(), "SANDBOX_TEST_CHILD=1")
	c.cmd.Stderr = c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.end(syscall.SIGKILL) })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.where)
	}
	if err != nil {
		_ = c.end(syscall.SIGKILL)
		t.Fatalf("read first line %q: %v: %s", line, err, c.log)
	}
	return c
}

func (c *child) end(how syscall.Signal) error {
	_ = c.cmd.Process.Signal(how)
	return c.cmd.Wait()
}

func (c *child) call(method, path, body string) string {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://"+c.where.Listening+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s, %v: %s", method, path, res.Status, err, text)
	}
	return string(text)
}

func TestEditsSurviveAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := startChild(t, "--data", dir, "--records", "40", "--anchor", "2025-01-31T00:00:00+08:00")
	untouched := first.call("GET", "/_sandbox/jushuitan/purchasein/checksum", "")
	first.call("POST", "/_sandbox/jushuitan/edit", `{"count":25}`)
	want := first.call("GET", "/_sandbox/jushuitan/purchasein", "")
	if err := first.end(syscall.SIGKILL); err == nil {
		t.Error("the kill did not end it")
	}
	second := startChild(t, "--data", dir) // 40 records are remembered
	if got := second.call("GET", "/_sandbox/jushuitan/purchasein", ""); got != want {
		t.Errorf("after the kill: %s\nbefore: %s", got, want)
	}
	if second.call("GET", "/_sandbox/jushuitan/purchasein/checksum", "") == untouched {
		t.Error("the edits are gone")
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Errorf("stopped: %v: %s", err, second.log)
	}
	for _, secret := range []string{"sandbox-secret-0001"} {
		if strings.Contains(second.log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
}

func TestRunServesBothAndStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen", "127.0.0.1:0", "--mysql-listen", "127.0.0.1:0", "--records", "5"}, in, io.Discard)
	}()
	var where addresses
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		t.Fatal(err)
	}
	if where.MySQL == "" || where.Listening == "" {
		t.Errorf("where = %+v", where)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunSaysWhatIsInTheWay(t *testing.T) {
	taken := startChild(t)
	for want, args := range map[string][]string{
		"serve vendors": {"--listen", taken.where.Listening},
		"serve MySQL":   {"--listen", "127.0.0.1:0", "--mysql-listen", taken.where.Listening},
		"data dir":      {"--data", "/dev/null/x"},
	} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: err = %v, want one about %q", args, err, want)
		}
	}
}

var now = time.Date(2025, 3, 1, 20, 0, 0, 0, time.UTC)

func TestReadConfig(t *testing.T) {
	c, err := readConfig(nil, now, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Dataset.Anchor.Format(time.RFC3339); got != "2025-03-02T00:00:00+08:00" {
		t.Errorf("anchor is %s, want the start of the day in Shanghai", got)
	}
	if c.Listen != "127.0.0.1:9401" || c.Dataset.Records != 200 || c.Jushuitan.PerSecond != 5 || c.Jushuitan.PerMinute != 100 {
		t.Errorf("defaults are %+v", c)
	}
	c, err = readConfig([]string{"--jst-allow-ips", "10.0.0.0/8,127.0.0.1/32", "--jst-deny-paths", "/a,/b", "--anchor", "2025-01-01T00:00:00Z", "--jst-expires-in", "30s"}, now, io.Discard)
	if err != nil || len(c.Jushuitan.AllowIPs) != 2 || len(c.Jushuitan.DenyPaths) != 2 || c.Jushuitan.ExpiresIn != 30*time.Second || c.Dataset.Anchor.Year() != 2025 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestReadConfigNamesAllFaults(t *testing.T) {
	for _, test := range []struct{ args, want []string }{
		{[]string{"--records", "-1", "--per-second", "-1", "--jst-refresh-mode", "melt"}, []string{"records is -1", "limits", "melt"}},
		{[]string{"--anchor", "yesterday"}, []string{"anchor"}},
		{[]string{"--jst-allow-ips", "localhost"}, []string{"jst-allow-ips"}},
		{[]string{"serve"}, []string{`"serve"`}},
	} {
		_, err := readConfig(test.args, now, io.Discard)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: err = %v, want one about %s", test.args, err, want)
			}
		}
	}
}
