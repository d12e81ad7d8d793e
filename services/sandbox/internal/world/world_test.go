package world

import (
	"reflect"
	"testing"
	"time"
)

func TestNewIsTheSameForTheSameParams(t *testing.T) {
	p := Params{Seed: 1, Goods: 300, Shops: 40, LateShare: 0.1}
	a, b := New(p), New(p)
	if !reflect.DeepEqual(a.Goods, b.Goods) || !reflect.DeepEqual(a.Shops, b.Shops) {
		t.Error("same parameters made another world")
	}
	p.Seed = 2
	if reflect.DeepEqual(a.Goods, New(p).Goods) {
		t.Error("another seed made the same goods")
	}
}

func TestCodesAreUnique(t *testing.T) {
	w := New(Params{Seed: 1, Goods: 300, Shops: 40})
	seen := map[any]bool{}
	for _, g := range w.Goods {
		seen[g.GoodsNo], seen[g.SKU], seen[g.Barcode] = true, true, true
		if g.Late || !w.Known(g) {
			t.Errorf("good %s is late, though none is to be", g.GoodsNo)
		}
	}
	for _, s := range w.Shops {
		seen[s.ID], seen[s.Name] = true, true
	}
	if len(seen) != 3*300+2*40 {
		t.Errorf("%d codes and names, want %d", len(seen), 3*300+2*40)
	}
}

func TestLateGoodsAreKnownOnceReleased(t *testing.T) {
	w := New(Params{Seed: 1, Goods: 300, LateShare: 0.2})
	known := func() int {
		n := 0
		for _, g := range w.Goods {
			if w.Known(g) {
				n++
			}
		}
		return n
	}
	if n := known(); n < 200 || n > 280 {
		t.Errorf("%d of 300 goods are known, want about 240", n)
	}
	first := time.Date(2025, 1, 31, 12, 0, 0, 0, time.UTC)
	w.Release(first)
	w.Release(first.Add(time.Hour))
	if n := known(); n != 300 || !w.Released().Equal(first) {
		t.Errorf("%d of 300 goods are known, released at %v, want all since %v", n, w.Released(), first)
	}
}
