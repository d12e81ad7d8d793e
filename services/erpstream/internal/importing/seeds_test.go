package importing_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
	"github.com/erpstream/erpstream/services/erpstream/internal/importing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shipped are the documents that the imports are compared with.
const shipped = "../../../../deploy/config"

// integration is one of the five that users come with, as metadata.
type integration struct {
	name, source, target string
	options              importing.Options
	// open are the findings that are left to look at: kind and path of each.
	open []string
	// flow is the shipped flow of the same meaning, page where the sandbox lists its records. lacks are the
	// fields of that flow which the metadata says nothing of.
	flow, page string
	lacks      []string
}

var integrations = []integration{
	{name: "shops", source: "shops", target: "shops", flow: "jst-shops-to-kingdee", page: "jushuitan/shops"},
	{
		name: "otherin", source: "otherin", target: "otherin-whole", flow: "jst-otherin-to-kis", page: "jushuitan/otherin",
		options: importing.Options{Collections: map[string]string{"FItemID": "kis.material", "FUnitID": "kis.material"}},
		lacks:   []string{"entry[].coefficient"},
	},
	{
		name: "otherin-left-out", source: "otherin", target: "otherin", options: importing.Options{Message: "erpstream.kis.v1.OtherInbound"},
		open: []string{"missing ", "missing map.entry", "assumed map.entry.map.item_id", "missing map.entry.map.unit_id", "missing map.entry.map.qty"},
	},
	{
		name: "purchasein", source: "purchasein", target: "purchasein", flow: "jst-purchasein-to-mysql", page: "jushuitan/purchasein",
		open: []string{"assumed ", "assumed map.rows.map.io_id"},
	},
	{
		name: "stockgain", source: "stockgain", target: "stockgain-whole", flow: "wdt-stockgain-to-kingdee", page: "wangdiantong/stockin",
		options: importing.Options{Collections: map[string]string{
			"8e620793-bebb-3167-95a4-9030368e5262": "kingdee.material", "66da8241-98f4-39f9-8fee-cac02e30e532": "kingdee.store",
		}},
		open: []string{"missing "},
	},
	{name: "stockgain-left-out", source: "stockgain", target: "stockgain", open: []string{"missing ", "missing map.material_entity"}},
	{
		name: "refund", source: "refund", target: "refund", flow: "wdt-refund-to-mysql", page: "wangdiantong/refund",
		open: []string{"assumed map.remark", "assumed map.note_count", "assumed map.settle_time"},
	},
}

func read(t testing.TB, name string) importing.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return importing.File{Name: name, Data: data}
}

// shippedSet reads the shipped documents.
func shippedSet(t testing.TB) flow.Set {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shipped, "*", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents in %s: %v", shipped, err)
	}
	set := flow.Set{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := flow.Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		set = set.With(docs...)
	}
	return set
}

func (in integration) importInto(t testing.TB, set flow.Set) importing.Result {
	t.Helper()
	o := in.options
	o.With, o.Start = set, "2026-10-01"
	result, err := importing.Import(read(t, in.source+".source.json"), read(t, in.target+".target.json"), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestSeeds imports the metadata of the five integrations: the documents are those of the golden files,
// fit the shipped ones, and what the metadata leaves out is named.
func TestSeeds(t *testing.T) {
	set := shippedSet(t)
	for _, in := range integrations {
		t.Run(in.name, func(t *testing.T) {
			result := in.importInto(t, set)
			golden(t, filepath.Join("testdata", in.name+".yaml"), result.Text)
			docs, err := flow.Parse("import.yaml", []byte(result.Text))
			if err != nil {
				t.Fatal(err)
			}
			if err := check.Set(set.With(docs...)); err != nil {
				t.Errorf("the documents do not fit: %v", err)
			}
			var open []string
			for _, f := range result.Open() {
				open = append(open, string(f.Kind)+" "+f.Path)
				if f.File == "" || f.Line == 0 || !strings.Contains(result.Text, "TODO import: "+string(f.Kind)+": "+f.Message) {
					t.Errorf("the finding has no place or no comment: %+v", f)
				}
			}
			if !slices.Equal(open, in.open) || result.Complete != (len(open) == 0) {
				t.Errorf("open = %q, complete %v, want %q", open, result.Complete, in.open)
			}
			if len(result.Needs) > 0 {
				t.Errorf("needs = %+v, want nothing", result.Needs)
			}
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and read the difference\n%s", path, got)
	}
}

// TestSeedsGiveWhatTheShippedFlowsGive maps the records of the sandbox with both, the imported flow and
// the shipped one: the messages are the same field by field.
func TestSeedsGiveWhatTheShippedFlowsGive(t *testing.T) {
	held := sandbox(t)
	set := shippedSet(t)
	master := masterData(t, set, held)
	for _, in := range integrations {
		if in.flow == "" {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			result := in.importInto(t, set)
			docs, err := flow.Parse("import.yaml", []byte(result.Text))
			if err != nil {
				t.Fatal(err)
			}
			ours := compile(t, set, in.flow)
			theirs := compile(t, set.With(docs...), result.Flow)
			delivered := 0
			for _, body := range held(in.page) {
				if in.compare(t, ours, theirs, body, master) {
					delivered++
				}
			}
			if delivered < 10 {
				t.Fatalf("%d records were compared: too few to prove anything", delivered)
			}
		})
	}
}

// compiled is a flow that can be applied.
type compiled struct {
	*mapping.Mapping
	message string
	zone    *time.Location
}

func compile(t testing.TB, set flow.Set, name string) compiled {
	t.Helper()
	f := set.Flows[name]
	source := set.Sources[f.From]
	from, err := feed.Get(source.Feed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := check.Compile(f, source, from, set.Connections[f.Target.Connection])
	if err != nil {
		t.Fatal(err)
	}
	return compiled{m, f.Target.Message, from.Location()}
}

// compare maps one record with both flows; it returns whether there was a message.
func (in integration) compare(t *testing.T, ours, theirs compiled, body []byte, master mapping.Lookup) bool {
	t.Helper()
	want, wantErr := ours.Apply(record.Envelope{}, body, master)
	got, gotErr := theirs.Apply(record.Envelope{}, body, master)
	if in.name == "shops" && want.Filtered && strings.Contains(string(body), `"shop_id":0`) {
		return false // the pseudo shop: only the shipped flow knows of it
	}
	if (wantErr == nil) != (gotErr == nil) || want.Filtered != got.Filtered {
		t.Fatalf("record %s\nshipped: %v, filtered %v\nimported: %v, filtered %v", body, wantErr, want.Filtered, gotErr, got.Filtered)
	}
	if wantErr != nil || want.Filtered {
		return false
	}
	mt, err := contract.Message(ours.message)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := fields.Decode(mt, want.Body)
	b, errB := fields.Decode(mt, got.Body)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for _, c := range fields.Compare(a, b, ours.zone) {
		if !slices.Contains(in.lacks, general(c.Path)) {
			t.Fatalf("record %s\n%s is %s when imported, %s as shipped", body, c.Path, c.New, c.Old)
		}
	}
	return true
}

// general takes the numbers out of a path.
func general(path string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, path)
}

// entries are master data by collection.
type entries map[string][]reference.Entry

// Find implements mapping.Lookup.
func (e entries) Find(collection, field, value string) []reference.Entry {
	var found []reference.Entry
	for _, one := range e[collection] {
		if v, ok := one.Field(field); ok && v == value {
			found = append(found, one)
		}
	}
	return found
}

// masterData maps the master data of the sandbox with the shipped flows that keep it.
func masterData(t *testing.T, set flow.Set, held func(page string) []json.RawMessage) entries {
	t.Helper()
	pages := map[string]string{
		"kd-materials-to-reference": "xingchen/materials", "kd-stores-to-reference": "xingchen/stores",
		"kis-materials-to-reference": "kis/materials", "kis-units-to-reference": "kis/units",
	}
	all := entries{}
	for name, page := range pages {
		m := compile(t, set, name)
		mt, err := contract.Message(m.message)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range held(page) {
			var group struct{ FDetail *bool }
			if err := json.Unmarshal(body, &group); err != nil {
				t.Fatal(err)
			}
			if group.FDetail != nil && !*group.FDetail {
				continue // the poller asks KIS for materials only, and not for their groups
			}
			result, err := m.Apply(record.Envelope{}, body, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			message, err := fields.Decode(mt, result.Body)
			if err != nil {
				t.Fatal(err)
			}
			var entry struct {
				Collection, ID string
				Fields         map[string]string
			}
			text, err := protojson.Marshal(message.Interface())
			if err != nil || json.Unmarshal(text, &entry) != nil {
				t.Fatal(err)
			}
			all[entry.Collection] = append(all[entry.Collection], reference.NewEntry(entry.ID, entry.Fields))
		}
	}
	return all
}

// sandbox builds and runs the imitated vendors, and returns what gives the documents of one of its pages.
func sandbox(t *testing.T) func(page string) []json.RawMessage {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "sandbox"), ".")
	build.Dir = filepath.Join("..", "..", "..", "sandbox")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the sandbox: %v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, filepath.Join(folder, "sandbox"), "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data"), "--records", "200")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	var where struct{ Listening string }
	if err := json.NewDecoder(stdout).Decode(&where); err != nil {
		t.Fatal(err)
	}
	release(t, where.Listening)
	return func(page string) []json.RawMessage {
		t.Helper()
		var list struct{ Datas []json.RawMessage }
		call(t, http.MethodGet, fmt.Sprintf("http://%s/_sandbox/%s", where.Listening, page), &list)
		if len(list.Datas) == 0 {
			t.Fatalf("the sandbox has no %s", page)
		}
		return list.Datas
	}
}

// release lets the goods in that come late.
func release(t *testing.T, address string) {
	t.Helper()
	call(t, http.MethodPost, "http://"+address+"/_sandbox/world/release", nil)
}

func call(t *testing.T, method, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s: %s: %v", url, resp.Status, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
}
