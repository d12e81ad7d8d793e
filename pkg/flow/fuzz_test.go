package flow_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/proto/contract"
)

// documents reads a folder of the shipped configuration.
func documents(t testing.TB, folder string) (all []flow.Document) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join("..", "..", "deploy", "config", folder, "*.yaml"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(t, string(text))...)
	}
	return all
}

// oddBooks has one entry for some values, none for others, and two for the rest.
type oddBooks struct{}

func (oddBooks) Find(_, _, value string) []reference.Entry {
	return make([]reference.Entry, len(value)%3)
}

// Whatever a document is, each shipped flow makes a message of it that keeps its contract, or says what
// is wrong with it for good, or which master data it waits for; in bounded time.
func FuzzShippedFlows(f *testing.F) {
	sources := map[string]flow.Source{}
	for _, d := range documents(f, "sources") {
		sources[d.Source.Name] = *d.Source
	}
	mappings, messages := map[string]*mapping.Mapping{}, map[string]string{}
	for _, d := range documents(f, "flows") {
		if d.Kind == flow.KindTests {
			continue
		}
		from, err := feed.Get(sources[d.Flow.From].Feed)
		if err != nil {
			f.Fatal(err)
		}
		messages[d.Flow.Name] = d.Flow.Target.Message
		if mappings[d.Flow.Name], err = check.Compile(*d.Flow, sources[d.Flow.From], from, flow.Connection{}); err != nil {
			f.Fatal(err)
		}
	}
	samples, _ := filepath.Glob("../feed/catalog/samples/*.json")
	inputs, _ := filepath.Glob("testdata/*.in.json")
	for _, path := range append(samples, inputs...) {
		if text, err := os.ReadFile(path); err == nil && len(text) < 16<<10 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		began := time.Now()
		for name, m := range mappings {
			result, err := m.Apply(record.Envelope{Key: "1", Source: "s", Version: 1}, body, oddBooks{})
			_, waits := errors.AsType[*mapping.Missing](err)
			if err != nil && (!fault.IsPermanent(err) && !waits || len(result.Body) > 0) {
				t.Errorf("%s: %v, %d bytes", name, err, len(result.Body))
			}
			mt, _ := contract.Message(messages[name])
			if err := proto.Unmarshal(result.Body, mt.New().Interface()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Whatever the endpoint of a connection is, one that is taken is not plain http to another machine, unless the
// document says so: as the client sees it that calls.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1", "http://127.0.0.1.example", "HTTP://x", "http://[::1]", "http://[::ffff:127.0.0.1]", "http://[fe80::1%25lo]", "http://localhost.", "http://0.0.0.0",
		"http://127.1", "http://2130706433", "http://user@127.0.0.1", "https://x", "hTtP://évil", "http://127.0.0.1@x", `http://127.0.0.1\@x`, "http:x", "//x", "http://localhost#@x", "mysql://db:1/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		quoted, err := json.Marshal(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := flow.Parse("c.yaml", []byte("connection: a\nsystem: kis\nendpoint: "+string(quoted)+"\n"))
		if err != nil || docs[0].Connection.Sandbox() {
			return
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, docs[0].Connection.Endpoint, nil)
		if err != nil {
			return // nothing is sent
		}
		if host := request.URL.Hostname(); request.URL.Scheme != "https" && !flow.Loopback(host) {
			t.Errorf("%q leads to %s over %s", endpoint, host, request.URL.Scheme)
		}
	})
}

// Whatever file a value table is read from, its rows are in the document as they are in the file, or it is refused.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"code,value\n1,甲\n2,乙\n", "\ufeffvalue,code\n甲,1\n", "code,value\n\"a\"\"b\",\"c\nd\"\n", "code,value\n=1+1,#x\n", "code,value\n1,: {}\n", "code,value\n1\n", "code\n", "", "code,value\n'\t,x\n", "code,value\n~,null\n", "code,value\n1,\u0085\n",
	} {
		f.Add(seed)
	}
	const text = "flow: f\nfrom: s\ntarget: {kind: mysql, connection: b, message: m}\ntables:\n  t:\n    file: t.csv\nmap: {}\n"
	f.Fuzz(func(t *testing.T, table string) {
		docs, err := flow.Parse("f.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		read, err := flow.ReadTables(docs, fstest.MapFS{"t.csv": {Data: []byte(table)}})
		if err != nil {
			return
		}
		rows := read[0].Flow.Spec.Tables["t"].Rows
		again, err := flow.ParseStored(flow.KindFlow, "f", []byte(read[0].Text))
		if err != nil || !maps.Equal(again.Flow.Spec.Tables["t"].Rows, rows) || len(rows) == 0 {
			t.Errorf("%q: rows %q, stored %v", table, rows, err)
		}
	})
}
