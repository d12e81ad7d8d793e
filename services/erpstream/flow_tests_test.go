package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/dryrun"
	"github.com/erpstream/erpstream/services/erpstream/internal/flowtest"
)

// config is the configuration as it is shipped.
var config = filepath.Join("..", "..", "deploy", "config")

// Every field of every shipped flow is expected by a test, and every filter, rule and look-up is tried.
func TestShippedFlowsPassTheirTests(t *testing.T) {
	code, out, stderr := run(t, "flow", "test", config, "--json")
	var reports []flowtest.FlowReport
	if err := json.Unmarshal([]byte(out), &reports); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	tested := map[string]bool{}
	for _, r := range reports {
		tested[r.Flow] = true
		if r.Coverage.Percent != 100 || len(r.Coverage.Untried) > 0 {
			t.Errorf("%s: %+v", r.Flow, r.Coverage)
		}
	}
	docs, err := readDocuments(nil, []string{config})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if d.Kind == flow.KindFlow && !tested[d.Name] {
			t.Errorf("%s has no tests", d.Name)
		}
	}
}

const shopTests = `tests: jst-shops-to-kingdee
cases:
  - name: a shop
    record: {shop_id: 1, shop_name: 旗舰店}
    message: {number: "2", name: 旗舰店}
  - name: nobody's
    record: {shop_id: 0}
    filtered: true
`

func TestFlowTestExits(t *testing.T) {
	file := write(t, "shops.tests.yaml", shopTests)
	code, out, stderr := run(t, "flow", "test", file, "--config", config)
	if code != 1 || !strings.Contains(out, `- number: "2"   (line 5)`) || !strings.Contains(stderr, "1 of 2 tests failed") {
		t.Errorf("failing: exit code %d\n%s%s", code, out, stderr)
	}
	junit := filepath.Join(t.TempDir(), "junit.xml")
	if code, _, stderr := run(t, "flow", "test", file, "--config", config, "--run", "nobody", "--junit", junit); code != 0 {
		t.Errorf("--run: exit code %d, %s", code, stderr)
	}
	if text, err := os.ReadFile(junit); err != nil || !strings.Contains(string(text), `testsuites tests="1" failures="0"`) {
		t.Errorf("%s, %v", text, err)
	}
	if code, out, stderr := run(t, "flow", "test", file, "--config", config, "--update"); code != 0 || !strings.Contains(out, "updated 1 test in ") {
		t.Errorf("--update: exit code %d, %s%s", code, out, stderr)
	}
	if code, out, stderr := run(t, "flow", "test", file, "--config", config, "--min-coverage", "100"); code != 0 {
		t.Errorf("updated: exit code %d, %s%s", code, out, stderr)
	}
	half := write(t, "half.tests.yaml", strings.Replace(shopTests, `message: {number: "2", name: 旗舰店}`, `contains: {name: 旗舰店}`, 1))
	if code, _, stderr := run(t, "flow", "test", half, "--config", config, "--min-coverage", "51"); code != 1 || !strings.Contains(stderr, "50 % of its target fields, less than 51 %") {
		t.Errorf("--min-coverage: exit code %d, %s", code, stderr)
	}
	for _, tt := range []struct {
		text, want string
		args       []string
	}{
		{strings.Replace(shopTests, "name: 旗舰店}\n  -", "nam: 旗舰店}\n  -", 1), ":5:28: cases[0].message.nam: Customer has no field \"nam\": did you mean name?", nil},
		{strings.Replace(shopTests, "jst-shops-to-", "jst-shop-to-", 1), `:1:1: tests: unknown flow "jst-shop-to-kingdee": did you mean jst-shops-to-kingdee?`, nil},
		{strings.Replace(shopTests, "filtered: true", "filtred: true", 1), "did you mean filtered?", nil},
		{shopTests, "--run", []string{"--run", "("}},
		{shopTests, "leave --run out", []string{"--run", "x", "--min-coverage", "1"}},
	} {
		args := append([]string{"flow", "test", write(t, "t.yaml", tt.text), "--config", config}, tt.args...)
		if code, _, stderr := run(t, args...); code != 2 || !strings.Contains(stderr, tt.want) {
			t.Errorf("exit code %d, %s\nwant %s", code, stderr, tt.want)
		}
	}
}

// Tests may stand in the file of the flow; what they refer to is found beside it, and a neighbour that is
// broken is told of when something is missing.
func TestFlowTestFindsNeighbours(t *testing.T) {
	folder := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const tests = "\n---\ntests: jst-purchasein-to-mysql\ncases:\n  - name: empty\n    record: {io_id: 1, items: null}\n    message: {io_id: 1}\n"
	file := put("flow.yaml", shippedFlow(t)+tests)
	put("source.yaml", goodSource)
	if code, out, stderr := run(t, "flow", "test", file); code != 0 || !strings.Contains(out, "1 test, 3 % of 32 target fields") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	put("source.yaml", goodSource+"evry: 5m\n")
	if code, _, stderr := run(t, "flow", "test", file); code != 2 || !strings.Contains(stderr, "reads source receipts, which is not there") || !strings.Contains(stderr, "source.yaml:6:1: evry") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	alone := put("alone.yaml", "connection: x\nsystem: mysql\nendpoint: sandbox\n")
	if code, _, stderr := run(t, "flow", "test", alone); code != 2 || !strings.Contains(stderr, "no flow and no tests in") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestTestsAreNotStored(t *testing.T) {
	url, _ := natsURL(t)
	if code, _, stderr := run(t, "provision", "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	const tests = "\n---\ntests: jst-purchasein-to-mysql\ncases: []\n"
	files := []string{write(t, "c.yaml", goodConnections), write(t, "s.yaml", goodSource), write(t, "f.yaml", shippedFlow(t)+tests)}
	code, out, stderr := run(t, append([]string{"apply", "--nats", url}, files...)...)
	if code != 0 || strings.Contains(out, "tests") {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	if _, out, _ := run(t, "flow", "show", "jst-purchasein-to-mysql", "--nats", url); strings.Contains(out, "cases") || !strings.Contains(out, "items_cost_amount") {
		t.Errorf("stored: %s", out)
	}
}

func TestPreviewAndDiff(t *testing.T) {
	url := traced(t)
	const name = "jst-purchasein-to-mysql"
	code, out, stderr := run(t, "flow", "preview", name, "--nats", url)
	if code != 0 || !strings.Contains(out, "MAPPED  key 2204001, version 101") || !strings.Contains(out, "1 record: 1 mapped") || strings.Contains(out, "version 100") {
		t.Errorf("preview: exit code %d\n%s%s", code, out, stderr)
	}
	strict := write(t, "strict.yaml", strings.Replace(shippedFlow(t), "target:", "quality: [{rule: size(record.items) > 0, else: dead}]\ntarget:", 1))
	code, out, stderr = run(t, "flow", "preview", strict, "--nats", url, "--json")
	var rows []dryrun.Row
	if err := json.Unmarshal([]byte(out), &rows); err != nil || code != 1 || len(rows) != 1 || rows[0].Verdict != "dead" || rows[0].RawSequence != 2 || !strings.Contains(stderr, "1 of 1 records would be dead") {
		t.Errorf("preview of a file: exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	code, out, stderr = run(t, "flow", "diff", name, strict, "--nats", url)
	if code != 1 || !strings.Contains(out, "  - mapped\n  + dead: quality: size(record.items) > 0: not so\n1 record: 0 unchanged, 1 changed\nbecame: mapped → dead 1\n") {
		t.Errorf("diff: exit code %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := run(t, "flow", "diff", name, write(t, "same.yaml", shippedFlow(t)), "--nats", url); code != 0 || out != "1 record: 1 unchanged, 0 changed\n" {
		t.Errorf("diff of the same: exit code %d, %s%s", code, out, stderr)
	}
	sample := write(t, "sample.json", `[{"io_id": 7, "ts": 1, "modified": "2026-10-01 08:00:00"}]`)
	if code, out, stderr := run(t, "flow", "preview", name, "--nats", url, "--sample", sample); code != 0 || !strings.Contains(out, "MAPPED  key 7, version 1,") {
		t.Errorf("sample: exit code %d, %s%s", code, out, stderr)
	}
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{2, "did you mean jst-purchasein-to-mysql?", []string{"preview", "jst-purchasin-to-mysql"}},
		{1, "erpstream source poll receipts", []string{"preview", name, "--key", "none"}},
		{2, "--last must be from 1 to 10000", []string{"preview", name, "--last", "0"}},
		{2, "--since", []string{"preview", name, "--since", "yesterday"}},
		{2, "none.json", []string{"preview", name, "--sample", "none.json"}},
		{2, "none.yaml", []string{"diff", name, "none.yaml"}},
		{2, "no flow", []string{"diff", "other", strict}},
		{2, "RAW holds no such records", []string{"diff", name, strict, "--key", "none"}},
		{2, `holds no flow "` + name, []string{"diff", name, filepath.Join(config, "flows", "jst-shops-to-kingdee.yaml")}},
	} {
		if code, out, stderr := run(t, append([]string{"flow", "--nats", url}, tt.args...)...); code != tt.code || !strings.Contains(stderr, tt.want) || out != "" {
			t.Errorf("%v: exit code %d, %s%s\nwant %d, %s", tt.args, code, out, stderr, tt.code, tt.want)
		}
	}
}
