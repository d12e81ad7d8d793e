package dataset

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

func otherInsOf(p Params) []*OtherIn { return OtherIns(p, world.New(p.World())).Documents }

func TestOtherInsAreTheSameForTheSameParams(t *testing.T) {
	p := params(300)
	other := p
	other.Seed = 2
	if !reflect.DeepEqual(otherInsOf(p), otherInsOf(p)) || Sum(otherInsOf(p)).Sum == Sum(otherInsOf(other)).Sum {
		t.Error("same parameters made other documents, or another seed the same")
	}
}

func TestOtherInsShape(t *testing.T) {
	p := params(2000)
	w := world.New(p.World())
	goods, houses := map[string]world.Good{}, map[string]bool{}
	for _, g := range w.Goods {
		goods[g.SKU] = g
	}
	for _, h := range w.Warehouses {
		houses[h.Name] = h.No != world.Excluded
	}
	taken, others, lines, types := 0, map[string]int{}, map[int64]bool{}, map[string]int{}
	for i, d := range otherInsOf(p) {
		types[d.Type]++
		if d.Taken() {
			taken++
		} else {
			others[d.Status]++
		}
		if d.IOID != firstOther+int64(i) || d.TS > math.MaxInt32 || d.IODate.After(d.Modified) || d.Created.After(d.IODate) || !d.Modified.Before(p.Anchor) || !houses[d.Warehouse] {
			t.Errorf("document %d: %+v", i, d.Head)
		}
		if n := len(d.Items); n < 1 || n > 5 {
			t.Errorf("document %d has %d lines", d.IOID, n)
		}
		for _, l := range d.Items {
			g, known := goods[l.SkuID]
			if !known || l.Unit != g.Unit.Name || l.Name != g.Name || l.IID != g.GoodsNo || l.Qty.Value < unit || l.Qty.Value%unit != 0 || l.Qty.Quoted || lines[l.IOIID] || l.IOIID > math.MaxInt32 {
				t.Errorf("document %d: line %+v is none of good %+v", d.IOID, l, g)
			}
			lines[l.IOIID] = true
		}
	}
	if taken != 2000 || len(otherInsOf(p)) != 2300 {
		t.Errorf("%d of %d documents are taken, want 2000 of 2300", taken, len(otherInsOf(p)))
	}
	for _, status := range []string{Confirmed, "WaitConfirm", "OuterConfirming", "Cancelled", "Delete"} {
		if others[status] == 0 {
			t.Errorf("no document that is not taken has status %s: %v", status, others)
		}
	}
	if types["其它出库"] == 0 || types["其它进仓"] == 0 || len(types) != 3 {
		t.Errorf("types are %v", types)
	}
	text, err := json.Marshal(otherInsOf(p))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"so_id":null`, `"so_id":""`, `"so_id":"QT2025`, `"receiver":null`, "138****0000", `"batch_id":"B`, `"batch_id":null`, `"sns":[]`, `"sns":null`, "👍"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no document holds %s", want)
		}
	}
}

func TestNoRecordsNoOtherIns(t *testing.T) {
	if got := otherInsOf(params(0)); len(got) != 0 {
		t.Errorf("%d documents, want none", len(got))
	}
	if got := otherInsOf(params(1)); len(got) != 1 || !got[0].Taken() {
		t.Errorf("%d documents, want one that is taken", len(got))
	}
}

func TestEditOfAnOtherIn(t *testing.T) {
	p := params(20)
	s := New(OtherIns(p, world.New(p.World())))
	before := s.Documents()[2]
	changed, err := s.Edit([]int64{before.IOID}, Change{}, Control, noon)
	if err != nil {
		t.Fatal(err)
	}
	after := changed[0]
	if after.TS <= before.TS || after.Remark == before.Remark || len(after.Items) != len(before.Items) || after.Status != before.Status || !after.Modified.After(before.Modified) {
		t.Errorf("edited %+v to %+v", before, after)
	}
	for i, l := range after.Items {
		if l.IOIID != before.Items[i].IOIID || l.SkuID != before.Items[i].SkuID || l.CostAmount != amount(l.Qty, l.CostPrice) {
			t.Errorf("line %+v became %+v", before.Items[i], l)
		}
	}
	changed, err = s.Edit([]int64{before.IOID, before.IOID}, Change{AddLine: true, Status: "Cancelled"}, Control, noon)
	if err != nil || len(changed[1].Items) != len(before.Items)+2 || changed[1].Status != "Cancelled" {
		t.Errorf("two more lines: %+v, %v", changed, err)
	}
	if _, err := s.Edit([]int64{before.IOID}, Change{Name: "x"}, Control, noon); !errors.Is(err, ErrChange) {
		t.Errorf("a name for a document: %v", err)
	}
}
