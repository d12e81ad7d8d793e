package flow_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
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
