package compat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// TestKeptStateMeansWhatItMeant reads what every released version has written with the readers of this one.
func TestKeptStateMeansWhatItMeant(t *testing.T) {
	for _, version := range versions(t) {
		t.Run(version, func(t *testing.T) {
			js, n := load(t, version, asItWas)
			got := understand(t, js)
			covers(t, got, readMeaning(t, version))
			t.Logf("%d messages and entries, %d meanings", n, len(got))
		})
	}
}

// TestWhatIsNewIsPassedOver adds to everything what a later version may add: headers, fields of JSON objects, fields
// of protobuf messages. This version, then the older one of a rolling upgrade, must read all else.
func TestWhatIsNewIsPassedOver(t *testing.T) {
	for _, version := range versions(t) {
		t.Run(version, func(t *testing.T) {
			added := map[string]int{}
			js, _ := load(t, version, func(stream string, k kept) kept {
				k.header.Set("ce-later", "1")
				k.header.Set("Erpstream-Later", "yes")
				what := "nothing"
				switch {
				case stream == "KV_config" || stream == "RAW" && strings.HasPrefix(k.subject, "raw."), stream == "PARKED", stream == "DEAD", len(k.data) == 0:
					// Documents and vendors' records are not ours to add to.
				case k.data[0] == '{' && json.Valid(k.data):
					k.data, what = append([]byte(`{"later":{"x":[1,"y"]},`), k.data[1:]...), "JSON"
				case isProto(stream, k):
					k.data, what = later(k.data), "protobuf"
				}
				added[what]++
				return k
			})
			covers(t, understand(t, js), readMeaning(t, version))
			if added["JSON"] == 0 || added["protobuf"] == 0 {
				t.Errorf("it shows nothing: additions %v", added)
			}
			t.Logf("additions: %v", added)
		})
	}
}

func isProto(stream string, k kept) bool {
	switch stream {
	case "TARGET", "RECEIPTS", "RAW", "KV_reference":
		return true
	case "KV_links":
		return !strings.Contains(k.subject, "=owner")
	default:
		return false
	}
}

// later is a message with a field of each wire type that no version has yet.
func later(body []byte) []byte {
	const number = 15_000
	out := slices.Clone(body)
	out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), 7)
	out = protowire.AppendBytes(protowire.AppendTag(out, number+1, protowire.BytesType), []byte("later"))
	return protowire.AppendFixed64(protowire.AppendTag(out, number+2, protowire.Fixed64Type), 7)
}

// TestOutcomeOfANewerVersionIsSaid has accounts refuse to add up what they do not know, and say so: a record that
// was taken for one without an outcome would be delivered again.
func TestOutcomeOfANewerVersionIsSaid(t *testing.T) {
	js := natstest.Run(t)
	outcome := ledgerv1.Outcome(99)
	book := receipt.NewBook(js, "sink-mysql", "later")
	if err := book.Publish(t.Context(), map[string][]*ledgerv1.Receipt{"f": {{Key: proto.String("4711"), Outcome: &outcome}}}); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Open(js).Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "4711") || !strings.Contains(err.Error(), "newer") {
		t.Errorf("error = %v, want one that names the key and a newer version", err)
	}
}

// TestKeptFlowsMakeTheSameMessages maps the kept records by the kept flow files with the kept master data.
func TestKeptFlowsMakeTheSameMessages(t *testing.T) {
	for _, version := range versions(t) {
		t.Run(version, func(t *testing.T) { remap(t, version) })
	}
}

func remap(t *testing.T, version string) {
	js, _ := load(t, version, asItWas)
	set := shipped(t, version)
	judges := map[string]verdict.Judge{}
	for _, name := range set.Names(flow.KindFlow) {
		j, err := verdict.New(set, set.Flows[name])
		if err != nil {
			t.Fatal(err)
		}
		judges[name] = j
	}
	records := readKept(t, version, topology.Raw)
	lookups := map[string]*reference.Store{}
	same := map[string]int{}
	for _, k := range readKept(t, version, topology.Target) {
		made, err := record.Parse(k.header)
		if err != nil {
			t.Fatal(err)
		}
		connection := set.Flows[made.Flow].Target.Connection
		if lookups[connection] == nil {
			lookups[connection] = follow(t, js, connection)
		}
		from := records[made.RawSequence-1]
		e, err := record.Parse(from.header)
		if err != nil {
			t.Fatal(err)
		}
		v := judges[made.Flow].Of(e, from.data, lookups[connection])
		if v.Kind != verdict.Mapped || !bytes.Equal(v.Result.Body, k.data) {
			t.Errorf("flow %s, record %s (RAW %d): %s %v\n got %x\nwant %x", made.Flow, e.Key, made.RawSequence, v.Kind, v.Err, v.Result.Body, k.data)
			return
		}
		same[made.Flow]++
	}
	if len(same) != len(judges) {
		t.Errorf("it shows nothing of some flows: messages %v of %d flows", same, len(judges))
	}
	t.Logf("%v", same)
}

// shipped are the documents of a version.
func shipped(t *testing.T, version string) flow.Set {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", version, "config", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := flow.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		set = set.With(docs...)
	}
	return set
}

// meaningFile is what a version's files mean.
func meaningFile(version string) string { return filepath.Join("testdata", version, "meaning.jsonl") }

func readMeaning(t testing.TB, version string) meaning {
	t.Helper()
	text, err := os.ReadFile(meaningFile(version))
	if err != nil {
		t.Fatal(err)
	}
	var m meaning
	for row := range bytes.Lines(text) {
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			t.Fatal(err)
		}
		m = append(m, l)
	}
	return m
}

// covers fails the test unless a reading says all that it is to say; it may say more.
func covers(t *testing.T, got, want meaning) {
	t.Helper()
	said := map[string]json.RawMessage{}
	for _, l := range got {
		said[l.Of] = l.Says
	}
	faults := 0
	for _, l := range want {
		if err := contains(said[l.Of], l.Says); err != nil && faults < 10 {
			faults++
			t.Errorf("%s: %v\n got %.600s\nwant %.600s", l.Of, err, said[l.Of], l.Says)
		}
	}
}

// contains reports how one JSON value does not have all of another.
func contains(got, want json.RawMessage) error {
	if got == nil {
		return errors.New("nothing is made of it")
	}
	g, err := decoded(got)
	if err != nil {
		return err
	}
	w, err := decoded(want)
	if err != nil {
		return err
	}
	return within(g, w, "")
}

func decoded(text json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func within(got, want any, path string) error {
	if w, ok := want.(map[string]any); ok {
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object any more", path)
		}
		for name, value := range w {
			if err := within(g[name], value, path+"."+name); err != nil {
				return err
			}
		}
		return nil
	}
	if w, ok := want.([]any); ok {
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s has other elements", path)
		}
		for i := range w {
			if err := within(g[i], w[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s is %v, was %v", path, got, want)
	}
	return nil
}

// natsWindows waits until the server has copied all windows into LEDGER.
func natsWindows(t testing.TB, js jetstream.JetStream, raw jetstream.Stream) {
	t.Helper()
	info, err := raw.Info(t.Context(), jetstream.WithSubjectFilter("window.*"))
	if err != nil {
		t.Fatal(err)
	}
	var want uint64
	for _, n := range info.State.Subjects {
		want += n
	}
	natstest.Eventually(t, func() error {
		ledger, err := js.Stream(t.Context(), topology.Ledger)
		if err == nil && ledger.CachedInfo().State.Msgs < want {
			err = fmt.Errorf("%d of %d windows are copied", ledger.CachedInfo().State.Msgs, want)
		}
		return err
	})
}
