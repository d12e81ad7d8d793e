package mapping_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
)

// shipped compiles all shipped flows, and those that the importer makes, by name.
var shipped = sync.OnceValue(func() map[string]verdict.Judge {
	set := read(flow.Set{}, filepath.Join("..", "..", "deploy", "config", "*", "*.yaml"))
	judges := compileAll(set)
	for _, path := range glob(filepath.Join("..", "..", "services", "erpstream", "internal", "importing", "testdata", "*.yaml")) {
		if !strings.Contains(path, "left-out") {
			maps.Copy(judges, compileAll(read(set, path)))
		}
	}
	return judges
})

func glob(pattern string) []string {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		panic(fmt.Sprintf("no files %s: %v", pattern, err))
	}
	return paths
}

func read(set flow.Set, pattern string) flow.Set {
	for _, path := range glob(pattern) {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		docs, err := flow.Parse(path, text)
		if err != nil {
			panic(err)
		}
		set = set.With(docs...)
	}
	return set
}

func compileAll(set flow.Set) map[string]verdict.Judge {
	judges := map[string]verdict.Judge{}
	for name, f := range set.Flows {
		judge, err := verdict.New(set, f)
		if err != nil {
			panic(err)
		}
		judges[name] = judge
	}
	return judges
}

// books answers nearly all look-ups.
type books struct{}

func (books) Find(_, _, value string) []reference.Entry {
	entry := reference.NewEntry(fmt.Sprint(len(value)), map[string]string{"number": value, "base_unit_id": "7", "FItemID": "9", "FUnitID": "3", "FCoefficient": "1.0"})
	switch {
	case strings.HasSuffix(value, "9"):
		return nil
	case strings.HasSuffix(value, "8"):
		return []reference.Entry{entry, entry}
	default:
		return []reference.Entry{entry}
	}
}

// tally counts the records that nothing is wrong with, and those of them of which one pass made the message.
type tally struct{ fine, passed int }

// atLeast fails the test when one pass made fewer of the messages, in percent.
func (c *tally) atLeast(t *testing.T, percent int) {
	t.Helper()
	if c.fine == 0 || c.passed*100 < c.fine*percent {
		t.Fatalf("one pass made %d of %d messages, want %d %%", c.passed, c.fine, percent)
	}
}

// same says how the two ways to map a record differ, "" when they don't.
func (c *tally) same(m *mapping.Mapping, env record.Envelope, body []byte) (difference string) {
	want, wantErr := m.General(env, body, books{})
	got, gotErr := m.Apply(env, body, books{})
	if wantErr == nil {
		c.fine++
		if m.Passes(env, body, books{}) {
			c.passed++
		}
	}
	if fmt.Sprint(wantErr) != fmt.Sprint(gotErr) || reflect.TypeOf(wantErr) != reflect.TypeOf(gotErr) {
		return fmt.Sprintf("%s\nin general: %v\nin one pass: %v", body, wantErr, gotErr)
	}
	if !bytes.Equal(want.Body, got.Body) {
		return fmt.Sprintf("%s\nin general: %x\nin one pass: %x", body, want.Body, got.Body)
	}
	want.Body, got.Body = nil, nil
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s\nin general: %+v\nin one pass: %+v", body, want, got)
	}
	before := append(make([]byte, 0, 16), "before"...)
	all, appended, err := m.Append(before, env, body, books{})
	if fmt.Sprint(err) != fmt.Sprint(gotErr) || string(all) != "before"+string(appended.Body) {
		return fmt.Sprintf("%s\nappended: %x, %v", body, all, err)
	}
	return ""
}

// samples are the records of the tests of the shipped flows, by flow.
var samples = sync.OnceValue(func() map[string][][]byte {
	all := map[string][][]byte{}
	for _, path := range glob(filepath.Join("..", "..", "deploy", "config", "flows", "*.tests.yaml")) {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		docs, err := flow.Parse(path, text)
		if err != nil {
			panic(err)
		}
		for _, doc := range docs {
			for _, one := range doc.Tests.Cases {
				if one.Record != nil && one.Record.Kind != flow.TextNode { // a text is a record that is broken
					all[doc.Tests.Flow] = append(all[doc.Tests.Flow], one.Record.JSON())
				}
			}
		}
	}
	return all
})

// sampleOf returns records for a flow: its own, or those of the shipped flow with the same target.
func sampleOf(name string) [][]byte {
	like := map[string]string{
		"jushuitan-otherin-to-kis": "jst-otherin-to-kis", "jushuitan-purchasein-to-mysql": "jst-purchasein-to-mysql", "wangdiantong-flagship-refund-to-mysql": "wdt-refund-to-mysql",
		"jushuitan-shops-to-kingdee": "jst-shops-to-kingdee", "wangdiantong-stockin-to-kingdee": "wdt-stockgain-to-kingdee",
	}
	if shippedName, ok := like[name]; ok {
		name = shippedName
	}
	return samples()[name]
}

// One pass makes of records what the general way makes of them: the same messages, references, warnings and
// errors, for the flows that are shipped and those that are imported.
func TestOnePassEqualsTheGeneralWay(t *testing.T) {
	for name, judge := range shipped() {
		t.Run(name, func(t *testing.T) {
			var trees []any
			var c tally
			for _, body := range sampleOf(name) {
				trees = append(trees, tree(body))
				if difference := c.same(judge.Mapping, judge.Envelope(body), body); difference != "" {
					t.Error(difference)
				}
			}
			c.atLeast(t, 100)
			rapid.Check(t, func(t *rapid.T) {
				for range 5 {
					body := changed(t, rapid.SampledFrom(trees).Draw(t, "sample"))
					if difference := c.same(judge.Mapping, judge.Envelope(body), body); difference != "" {
						t.Fatal(difference)
					}
				}
			})
		})
	}
}

// FuzzBothPaths is the same for any bytes.
func FuzzBothPaths(f *testing.F) {
	var names []string
	for name := range shipped() {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		for _, body := range sampleOf(name) {
			f.Add(body, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, i uint8) {
		judge := shipped()[names[int(i)%len(names)]]
		var c tally
		if difference := c.same(judge.Mapping, judge.Envelope(body), body); difference != "" {
			t.Error(difference)
		}
	})
}
