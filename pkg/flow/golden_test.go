package flow_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// outcome is what a golden file holds.
type outcome struct {
	Message  json.RawMessage `json:"message,omitempty"`
	Filtered bool            `json:"filtered,omitempty"`
	Dropped  string          `json:"dropped,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Class    string          `json:"class,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// TestGolden maps testdata/<flow>.<case>.in.json with testdata/<flow>.flow.yaml, or the shipped
// flow of that name, and compares with <flow>.<case>.out.json.
func TestGolden(t *testing.T) {
	inputs, _ := filepath.Glob("testdata/*.in.json")
	if len(inputs) == 0 {
		t.Fatal("no testdata")
	}
	for _, in := range inputs {
		t.Run(filepath.Base(in), func(t *testing.T) {
			name, _, _ := strings.Cut(filepath.Base(in), ".")
			path := filepath.Join("testdata", name+".flow.yaml")
			if _, err := os.Stat(path); err != nil {
				path = filepath.Join("..", "..", "deploy", "config", "flows", name+".yaml")
			}
			golden(t, strings.Replace(in, ".in.", ".out.", 1), run(t, path, in))
		})
	}
}

func compiled(t testing.TB, path string) *mapping.Mapping {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := parse(t, string(text))[0].Flow
	source := *parse(t, connections)[2].Source
	from, err := feed.Get(source.Feed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := check.Compile(*f, source, from, flow.Connection{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, path, in string) outcome {
	t.Helper()
	body, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	result, err := compiled(t, path).Apply(record.Envelope{Key: "2204001", Source: "jst-purchasein", Version: 17}, body, nil)
	o := outcome{Filtered: result.Filtered, Dropped: result.Dropped, Warnings: result.Warnings}
	if err != nil {
		o.Class, o.Error = fault.ClassOf(err), err.Error()
	}
	if len(result.Body) > 0 {
		mt, _ := contract.Message("erpstream.mysql.v1.PurchaseIn")
		msg := mt.New().Interface()
		if err := proto.Unmarshal(result.Body, msg); err != nil {
			t.Fatal(err)
		}
		o.Message = json.RawMessage(protojson.MarshalOptions{UseProtoNames: true}.Format(msg))
	}
	return o
}

func golden(t *testing.T, path string, o outcome) {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(o); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%v: got\n%swant\n%s", err, b.Bytes(), want)
	}
}

func BenchmarkPurchaseIn(b *testing.B) {
	m := compiled(b, shipped)
	body, err := os.ReadFile("testdata/jst-purchasein-to-mysql.plain.in.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Apply(record.Envelope{}, body, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestApplyFromManyGoroutines(t *testing.T) {
	m := compiled(t, "testdata/computed.flow.yaml")
	body, _ := os.ReadFile("testdata/computed.full.in.json")
	want, err := m.Apply(record.Envelope{Key: "2204001"}, body, nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				got, err := m.Apply(record.Envelope{Key: "2204001"}, body, nil)
				if err != nil || !bytes.Equal(got.Body, want.Body) {
					t.Errorf("%x, %v", got.Body, err)
				}
			}
		})
	}
	group.Wait()
}

func FuzzApply(f *testing.F) {
	mappings := []*mapping.Mapping{compiled(f, shipped), compiled(f, "testdata/computed.flow.yaml")}
	inputs, _ := filepath.Glob("testdata/*.in.json")
	for _, in := range inputs {
		body, _ := os.ReadFile(in)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, m := range mappings {
			result, err := m.Apply(record.Envelope{Key: "1"}, body, nil)
			if err != nil && (!fault.IsPermanent(err) || len(result.Body) > 0) {
				t.Errorf("%v, %d bytes", err, len(result.Body))
			}
		}
	})
}
