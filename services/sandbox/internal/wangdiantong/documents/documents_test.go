package documents

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

var anchor = time.Date(2025, 1, 31, 0, 0, 0, 0, dataset.Shanghai)

func testParams() Params { return Params{Records: 1000, Seed: 7, Days: 10, Anchor: anchor} }

func testWorld() *world.World { return world.New(world.Params{Seed: 7, Goods: 60, Shops: 9}) }

func TestEqualParamsMakeEqualDocuments(t *testing.T) {
	p, w := testParams(), testWorld()
	if !reflect.DeepEqual(p.StockIns(w).Documents, p.StockIns(testWorld()).Documents) || !reflect.DeepEqual(p.Refunds(w).Documents, p.Refunds(testWorld()).Documents) {
		t.Error("documents differ")
	}
	q := p
	q.Seed++
	if reflect.DeepEqual(p.StockIns(w).Documents, q.StockIns(w).Documents) || reflect.DeepEqual(p.Refunds(w).Documents, q.Refunds(w).Documents) {
		t.Error("the seed makes no difference")
	}
}

func TestHowManyStockInsThereAre(t *testing.T) {
	gains, excluded, other := 0, 0, 0
	for _, d := range testParams().StockIns(testWorld()).Documents {
		switch {
		case d.OrderType == StockGain && d.Status == Done && d.Warehouse.No == world.Excluded:
			gains, excluded = gains+1, excluded+1
		case d.OrderType == StockGain && d.Status == Done:
			gains++
		default:
			other++
		}
		if d.OrderType == 3 || d.OrderType < 1 || d.OrderType > 12 {
			t.Errorf("order type %d", d.OrderType)
		}
		if d.Checked.IsZero() != (d.Status != Done) {
			t.Errorf("status %d, checked %v", d.Status, d.Checked)
		}
	}
	if gains != 1000 || other != 150 || excluded < 30 || excluded > 75 {
		t.Errorf("%d stock gains, %d of them in the excluded warehouse, and %d others", gains, excluded, other)
	}
}

func TestStockInLines(t *testing.T) {
	repeated, fractions, ids := 0, 0, map[int64]bool{}
	known := map[string]world.Good{}
	for _, g := range testWorld().Goods {
		known[g.SKU] = g
	}
	for _, d := range testParams().StockIns(testWorld()).Documents {
		if len(d.Items) < 1 || len(d.Items) > 5 {
			t.Errorf("%s has %d lines", d.No, len(d.Items))
		}
		if d.Kinds() < len(d.Items) {
			repeated++
		}
		for _, l := range d.Items {
			if g := known[l.SKU]; g.GoodsNo != l.GoodsNo || g.Unit.Name != l.Unit || g.Price != int64(l.Price) {
				t.Errorf("%s: line %+v is not about one of the goods", d.No, l)
			}
			if l.Count <= 0 {
				t.Errorf("%s: count %d", d.No, l.Count)
			}
			if l.Count%unit != 0 {
				fractions++
			}
			if ids[l.ID] {
				t.Errorf("line id %d twice", l.ID)
			}
			ids[l.ID] = true
		}
	}
	if repeated == 0 || fractions == 0 {
		t.Errorf("%d documents with the same goods twice, %d lines with fractions", repeated, fractions)
	}
}

func TestWhenDocumentsWereModified(t *testing.T) {
	seconds, shared := map[time.Time]int{}, 0
	check := func(created, modified time.Time) {
		if created.After(modified) || created.Before(anchor.AddDate(0, 0, -10)) || !modified.Before(anchor) {
			t.Errorf("created %v, modified %v", created, modified)
		}
		if modified.Nanosecond() != 0 {
			t.Errorf("modified %v", modified)
		}
		if seconds[modified]++; seconds[modified] == 2 {
			shared++
		}
	}
	for _, d := range testParams().StockIns(testWorld()).Documents {
		check(d.Created, d.Modified)
	}
	if shared < 5 {
		t.Errorf("%d seconds with several stock-ins", shared)
	}
	for _, d := range testParams().Refunds(testWorld()).Documents {
		check(d.Created, d.Modified)
	}
}

func TestRefunds(t *testing.T) {
	types, distributed := map[int]int{}, 0
	all := testParams().Refunds(testWorld()).Documents
	for _, d := range all {
		types[d.Type]++
		if (d.Swap != nil) != (d.Type == Exchange) {
			t.Errorf("%s: type %d, swap %v", d.No, d.Type, d.Swap)
		}
		if d.Distributor != "" {
			distributed++
		}
		if d.Goods() <= 0 || d.Actual() != d.Goods()+d.Direct || d.Count() <= 0 {
			t.Errorf("%s: goods %d, actual %d, count %d", d.No, d.Goods(), d.Actual(), d.Count())
		}
	}
	if len(all) != 1000 || len(types) != len(RefundTypes) || distributed == 0 || distributed == len(all) {
		t.Errorf("%d refunds, types %v, %d of distributors", len(all), types, distributed)
	}
	p := testParams()
	p.Types = []int{2, 3}
	for _, d := range p.Refunds(testWorld()).Documents {
		if d.Type != 2 && d.Type != 3 {
			t.Errorf("type %d", d.Type)
		}
	}
}

func TestAmountsAreRounded(t *testing.T) {
	for _, test := range []struct{ count, price, want dataset.Decimal }{
		{50_000, 325_000, 1_625_000}, {3333, 10_000, 3333}, {1, 5000, 1}, {1, 4999, 0}, {2_000_000, 5_000_000, 1_000_000_000},
	} {
		if got := times(test.count, test.price); got != test.want {
			t.Errorf("%d times %d is %d, want %d", test.count, test.price, got, test.want)
		}
	}
}

func TestEditsOfStockIns(t *testing.T) {
	p, w := testParams(), testWorld()
	s := dataset.New(p.StockIns(w))
	before := s.Documents()[5]
	old := *before
	now := anchor.Add(time.Hour)
	edited := 0
	for n, change := range []dataset.Change{{}, {AddLine: true}, {RemoveLine: true}, {Status: "10"}, {ModifiedAgo: time.Minute}} {
		was := s.Documents()[5]
		docs, err := s.Edit([]int64{before.ID}, change, dataset.Control, now)
		if err != nil {
			t.Fatal(err)
		}
		d := docs[0]
		if d.Modified != now.Add(-change.ModifiedAgo) || !strings.Contains(d.Remark, "改单") {
			t.Errorf("edit %d: modified %v, remark %q", n, d.Modified, d.Remark)
		}
		if reflect.DeepEqual(d.Items, was.Items) {
			t.Errorf("edit %d: lines are as they were", n)
		}
		lines := len(was.Items)
		if change.AddLine && len(d.Items) != lines+1 || change.RemoveLine && len(d.Items) != max(1, lines-1) {
			t.Errorf("edit %d: %d lines after %d", n, len(d.Items), lines)
		}
		if change.Status == "10" && d.Status != 10 {
			t.Errorf("edit %d: status %d", n, d.Status)
		}
		edited++
	}
	if !reflect.DeepEqual(*before, old) {
		t.Error("a document that was given out has changed")
	}
	if got := s.Edits()[dataset.Control]; got != edited {
		t.Errorf("%d edits, want %d", got, edited)
	}
}

func TestEditsOfRefunds(t *testing.T) {
	s := dataset.New(testParams().Refunds(testWorld()))
	before := s.Documents()[5]
	now := anchor.Add(time.Hour)
	docs, err := s.Edit([]int64{before.ID}, dataset.Change{Status: "90", AddLine: true}, dataset.Control, now)
	if err != nil {
		t.Fatal(err)
	}
	d := docs[0]
	if d.Status != 90 || d.Modified != now || len(d.Items) != len(before.Items)+1 || d.Goods() == before.Goods() {
		t.Errorf("edited: %+v", d)
	}
}

func TestEditsThatThereAreNot(t *testing.T) {
	s := dataset.New(testParams().Refunds(testWorld()))
	for _, change := range []dataset.Change{{Name: "x"}, {Status: "Cancelled"}} {
		if _, err := s.Edit([]int64{s.Documents()[0].ID}, change, dataset.Control, anchor); !errors.Is(err, dataset.ErrChange) {
			t.Errorf("%+v: err = %v", change, err)
		}
	}
}

func TestTheSameEditsMakeTheSameDocuments(t *testing.T) {
	run := func() (dataset.Checksum, dataset.Checksum) {
		stockIns, refunds := dataset.New(testParams().StockIns(testWorld())), dataset.New(testParams().Refunds(testWorld()))
		for range 20 {
			if _, err := stockIns.EditAny(3, dataset.Change{}, dataset.Stream, anchor); err != nil {
				t.Fatal(err)
			}
			if _, err := refunds.EditAny(3, dataset.Change{}, dataset.Stream, anchor); err != nil {
				t.Fatal(err)
			}
		}
		return dataset.Sum(stockIns.Documents()), dataset.Sum(refunds.Documents())
	}
	a, b := run()
	if c, d := run(); a != c || b != d {
		t.Error("equal edits made documents that differ")
	}
}

// What a journal keeps has to come back whole.
func TestDocumentsSurviveJSON(t *testing.T) {
	for _, d := range testParams().StockIns(testWorld()).Documents {
		text, err := json.Marshal(d)
		var back StockIn
		if err = errors.Join(err, json.Unmarshal(text, &back)); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || string(again) != string(text) {
			t.Fatalf("%s came back as\n%s, %v", text, again, err)
		}
	}
	for _, d := range testParams().Refunds(testWorld()).Documents {
		text, err := json.Marshal(d)
		var back Refund
		if err = errors.Join(err, json.Unmarshal(text, &back)); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || string(again) != string(text) {
			t.Fatalf("%s came back as\n%s, %v", text, again, err)
		}
	}
}

func TestNothingToSell(t *testing.T) {
	empty := world.New(world.Params{Seed: 1})
	if n := len(testParams().StockIns(empty).Documents) + len(testParams().Refunds(empty).Documents); n != 0 {
		t.Errorf("%d documents about nothing", n)
	}
}

func TestCheck(t *testing.T) {
	if err := testParams().Check(); err != nil {
		t.Error(err)
	}
	for want, p := range map[string]Params{
		"records": {Records: -1, Days: 1}, "days": {}, "refund type": {Days: 1, Types: []int{5}},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want one about %s", err, want)
		}
	}
}
