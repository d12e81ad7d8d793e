package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
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
	for _, feed := range []string{"purchasein", "otherin", "shops"} {
		first.call("POST", "/_sandbox/jushuitan/edit", `{"feed":"`+feed+`","count":15}`)
	}
	first.call("POST", "/_sandbox/wangdiantong/edit", `{"feed":"stockin","count":15}`)
	first.call("POST", "/_sandbox/wangdiantong/edit", `{"feed":"refund","count":15}`)
	first.call("POST", "/_sandbox/world/release", "")
	lists := []string{"jushuitan/purchasein", "jushuitan/otherin", "jushuitan/shops", "wangdiantong/stockin", "wangdiantong/refund", "world"}
	want := map[string]string{}
	for _, list := range lists {
		want[list] = first.call("GET", "/_sandbox/"+list, "")
	}
	if err := first.end(syscall.SIGKILL); err == nil {
		t.Error("the kill did not end it")
	}
	second := startChild(t, "--data", dir) // 40 records are remembered
	for _, list := range lists {
		if got := second.call("GET", "/_sandbox/"+list, ""); got != want[list] {
			t.Errorf("%s after the kill: %s\nbefore: %s", list, got, want[list])
		}
	}
	if second.call("GET", "/_sandbox/jushuitan/purchasein/checksum", "") == untouched {
		t.Error("the edits are gone")
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Errorf("stopped: %v: %s", err, second.log)
	}
	for _, secret := range []string{"sandbox-secret-0001", "b7c1e0f2a4d6", "topsecret0123456789abcdef", "0123456789abcdef0123456789abcdef"} {
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

func TestReadConfigOfEditsAndTheWorld(t *testing.T) {
	c, err := readConfig([]string{"--records", "1000", "--edits", "7", "--edit-rate", "2", "--edit-on-page", "3", "--edit-feeds", "otherin,refund"}, now, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.Dataset.Shops != 50 || c.Dataset.Goods != 300 {
		t.Errorf("%d shops and %d goods, want 50 and 300", c.Dataset.Shops, c.Dataset.Goods)
	}
	j, w := c.Jushuitan, c.Wangdiantong
	if j.Edits != 7 || j.EditRate != 2 || j.EditOnPage != 3 || len(j.EditFeeds) != 1 || j.EditFeeds[0] != "otherin" {
		t.Errorf("edits of Jushuitan are %d of %q, %v a second, %d a page", j.Edits, j.EditFeeds, j.EditRate, j.EditOnPage)
	}
	if w.StockInEdits != 0 || w.RefundEdits != 7 || w.EditRate != 2 || w.EditOnPage != 3 {
		t.Errorf("edits of Wangdiantong are %d and %d, %v a second, %d a page", w.StockInEdits, w.RefundEdits, w.EditRate, w.EditOnPage)
	}
	if c, err = readConfig([]string{"--edits", "7"}, now, io.Discard); err != nil || len(c.Jushuitan.EditFeeds) != 1 || c.Wangdiantong.StockInEdits != 7 || c.Wangdiantong.RefundEdits != 7 {
		t.Errorf("by default: %+v, %v", c.Edits, err)
	}
}

func TestReadConfigOfTrouble(t *testing.T) {
	c, err := readConfig([]string{
		"--edits", "7", "--edit-rate", "2", "--edit-feeds", "purchasein,shops,stockin", "--late-commits", "5", "--late-by", "4s",
		"--clock-offset", "-2m", "--poison-share", "0.001", "--fault", "jushuitan:rate_limit=0.02", "--fault", "kis:cut_within=1",
	}, now, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	j, w := c.Jushuitan, c.Wangdiantong
	if j.LateCommits != 5 || j.LateBy != 4*time.Second || w.LateStockIns != 5 || w.LateRefunds != 0 || w.LateBy != 4*time.Second {
		t.Errorf("late commits are %+v and %+v", j, w)
	}
	if c.ClockOffset != -2*time.Minute || c.Poison != 0.001 || len(c.Faults) != 2 || c.Faults[1].vendor != "kis" || c.Faults[1].fault.Probability != 1 {
		t.Errorf("trouble is %v, %v, %+v", c.ClockOffset, c.Poison, c.Faults)
	}
}

// A data directory remembers its master data, too.
func TestAStoredWorldIsAdopted(t *testing.T) {
	dir := t.TempDir()
	open := func(args ...string) (config, error) {
		t.Helper()
		c, err := readConfig(append([]string{"--data", dir}, args...), now, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		d, err := dataset.OpenDir(dir, c.Dataset)
		return c, errors.Join(err, d.Close())
	}
	if _, err := open("--records", "1000", "--goods", "77", "--late-share", "0.5"); err != nil {
		t.Fatal(err)
	}
	c, err := open()
	if err != nil || c.Dataset.Records != 1000 || c.Dataset.Goods != 77 || c.Dataset.Shops != 50 || c.Dataset.LateShare != 0.5 {
		t.Errorf("%+v, %v", c.Dataset, err)
	}
	for _, other := range []string{"--goods", "--shops"} {
		if _, err := open(other, "78"); err == nil || !strings.Contains(err.Error(), "other parameters") {
			t.Errorf("%s 78: %v, want an error about other parameters", other, err)
		}
	}
}

func TestReadConfigNamesAllFaults(t *testing.T) {
	for _, test := range []struct{ args, want []string }{
		{[]string{"--records", "-1", "--per-second", "-1", "--jst-refresh-mode", "melt"}, []string{"records is -1", "limits", "melt"}},
		{[]string{"--goods", "0", "--late-after", "-1s", "--wdt-per-minute", "-1"}, []string{"goods is 0", "late goods", "wangdiantong: limits"}},
		{[]string{"--edit-feeds", "purchasein,orders"}, []string{`"orders"`}},
		{[]string{"--anchor", "yesterday"}, []string{"anchor"}},
		{[]string{"--jst-allow-ips", "localhost"}, []string{"jst-allow-ips"}},
		{[]string{"--late-commits", "5"}, []string{"edit rate"}},
		{[]string{"--late-commits", "-5"}, []string{"late commits are -5"}},
		{[]string{"--poison-share", "2"}, []string{"poison is 2"}},
		{[]string{"--fault", "jushuitan:flood=0.1"}, []string{"vendor:kind=share"}},
		{[]string{"--fault", "jushuitan:html=0"}, []string{"vendor:kind=share"}},
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
