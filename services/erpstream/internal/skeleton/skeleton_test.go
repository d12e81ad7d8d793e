package skeleton_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
	"github.com/erpstream/erpstream/services/erpstream/internal/skeleton"
)

var update = flag.Bool("update", false, "rewrite what is wanted")

// connections are names of shipped connections, by system.
var connections = map[string]string{
	"jushuitan": "jst-main", "wangdiantong": "wdt-main", "kingdee": "kd-main", "kis": "kis-main", "mysql": "bi-main",
}

func write(t *testing.T, feedName, message string) (skeleton.Result, feed.Feed) {
	t.Helper()
	f, err := feed.Get(feedName)
	if err != nil {
		t.Fatal(err)
	}
	mt, err := contract.Message(message)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := samples.Fields(f)
	if err != nil {
		t.Fatal(err)
	}
	target := connections[describe.Kind(mt.Descriptor())]
	if target == "" {
		target = connections[f.System]
	}
	return skeleton.Write(skeleton.Request{
		Feed: f, Fields: fields, Message: mt.Descriptor(), Flow: "new", Source: "new", Connection: target,
		SourceConnection: connections[f.System], Start: time.Date(2026, 10, 1, 0, 0, 0, 0, f.Location()),
	}), f
}

// shipped is the shipped configuration.
func shipped(t *testing.T) flow.Set {
	t.Helper()
	files, err := filepath.Glob("../../../../deploy/config/*/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var set flow.Set
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents, err := flow.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		set = set.With(documents...)
	}
	return set
}

// TestEveryPair writes a flow from every feed to every message: each parses and, of every fifth,
// compiles, or Todo names what is missing, which then is marked in the text.
func TestEveryPair(t *testing.T) {
	complete := 0
	for _, feedName := range feed.Names() {
		for _, message := range contract.Names() {
			result, f := write(t, feedName, message)
			marked := strings.Contains(result.Text, "# TODO required")
			if marked != (len(result.Todo) > 0) {
				t.Errorf("%s to %s: to do are %v in\n%s", feedName, message, result.Todo, result.Text)
			}
			if marked {
				continue
			}
			complete++
			documents, err := flow.Parse("new.yaml", []byte(result.Text))
			if err != nil || len(documents) != 2 {
				t.Fatalf("%s to %s: %v in\n%s", feedName, message, err, result.Text)
			}
			if complete%5 > 0 {
				continue // compiling takes long
			}
			if _, err := check.Compile(*documents[1].Flow, *documents[0].Source, f, flow.Connection{}); err != nil {
				t.Errorf("%s to %s: %v in\n%s", feedName, message, err, result.Text)
			}
		}
	}
	if complete < 60 {
		t.Errorf("only %d flows are complete", complete)
	}
}

// books answers every look-up.
type books struct{}

func (books) Find(string, string, string) []reference.Entry {
	return []reference.Entry{reference.NewEntry("1", map[string]string{"base_unit_id": "2", "FItemID": "1", "FUnitID": "2"})}
}

// TestGuesses compares some skeletons with files, and maps the feed's recorded sample with them: a person
// who runs the command sees the same.
func TestGuesses(t *testing.T) {
	for name, pair := range map[string][2]string{
		"purchasein": {"jushuitan.purchasein", "erpstream.mysql.v1.PurchaseIn"}, "stockgain": {"wangdiantong.stockin", "erpstream.kingdee.v1.InventoryGainBill"},
		"otherin": {"jushuitan.otherin", "erpstream.kis.v1.OtherInbound"}, "shops": {"jushuitan.shops", "erpstream.kingdee.v1.Customer"},
		"refund": {"wangdiantong.flagship-refund", "erpstream.mysql.v1.AfterSalesRefund"}, "materials": {"kingdee.material", "erpstream.reference.v1.Entry"},
	} {
		t.Run(name, func(t *testing.T) {
			result, f := write(t, pair[0], pair[1])
			golden(t, filepath.Join("testdata", name+".yaml"), result.Text)
			if len(result.Todo) > 0 {
				t.Fatalf("to do: %v", result.Todo)
			}
			documents, err := flow.Parse(name, []byte(result.Text))
			if err != nil {
				t.Fatal(err)
			}
			if err := check.Set(shipped(t).With(documents...)); err != nil && f.Edition != "flagship" {
				t.Errorf("with the shipped configuration: %v", err)
			}
			m, err := check.Compile(*documents[1].Flow, *documents[0].Source, f, flow.Connection{})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := samples.Documents(f)
			if err != nil {
				t.Fatal(err)
			}
			id, err := f.Identify(rows[0])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Apply(record.Envelope{Key: id.Key, Source: "new", Type: f.Name, Version: 1, Time: time.Now()}, rows[0], books{}); err != nil {
				t.Errorf("the sample: %v", err)
			}
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("%s: %v; got\n%s", file, err, got)
	}
}

// The shipped flow is what the command would have written: names alone lead to all 31 columns.
func TestPurchaseInIsGuessedAsItIsShipped(t *testing.T) {
	result, _ := write(t, "jushuitan.purchasein", "erpstream.mysql.v1.PurchaseIn")
	documents, err := flow.Parse("new", []byte(result.Text))
	if err != nil {
		t.Fatal(err)
	}
	want := shipped(t).Flows["jst-purchasein-to-mysql"].Spec.Fields[1]
	rows := documents[1].Flow.Spec.Fields[1]
	var got, wanted []string
	for i := range rows.Fields {
		got = append(got, fmt.Sprint(rows.Fields[i].Name, ": ", rows.Fields[i].Value.Text))
	}
	for i := range want.Fields {
		wanted = append(wanted, fmt.Sprint(want.Fields[i].Name, ": ", want.Fields[i].Value.Text))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", got, wanted)
	}
}
