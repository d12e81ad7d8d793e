package dataset

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

func newShops(n int) *Store[*Shop] {
	p := params(0)
	p.Shops = n
	return New(Shops(p, world.New(p.World())))
}

func TestShopsShape(t *testing.T) {
	all := newShops(200).Documents()
	if len(all) != 200 || !reflect.DeepEqual(all, newShops(200).Documents()) {
		t.Fatalf("%d shops, or others with the same parameters", len(all))
	}
	names := map[string]bool{}
	for i, s := range all {
		names[s.Name] = true
		if s.ShopID != 10394001+int64(i) || s.Status != Enabled || s.Site == "" || s.Nick == "" {
			t.Errorf("shop %+v", s)
		}
		if c := s.Created; c != nil && *c != "" {
			if _, err := time.Parse("2006-01-02 15:04:05.000", *c); err != nil || len(*c) != 23 {
				t.Errorf("shop %d was created %q", s.ShopID, *c)
			}
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"永久授权", `"created":null`, `"created":""`, `"shop_url":""`, `"shop_url":null`, `"has_group":false`, `"group_id":null`, `"group_id":70`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no shop holds %s", want)
		}
	}
	if len(names) != 200 {
		t.Errorf("%d names, want 200", len(names))
	}
}

func TestEditsOfShops(t *testing.T) {
	s := newShops(30)
	first := s.Documents()[0]
	changed, err := s.Edit([]int64{first.ShopID, first.ShopID}, Change{Name: "新店", Status: Disabled}, Control, noon)
	if err != nil || changed[1].Name != "新店" || changed[1].Status != Disabled || changed[1].Edition <= changed[0].Edition {
		t.Errorf("renamed and disabled: %+v, %v", changed, err)
	}
	changed, err = s.Edit([]int64{first.ShopID}, Change{}, Stream, noon)
	if err != nil || changed[0].Status != Enabled || changed[0].Name != "新店" {
		t.Errorf("an edit of a disabled shop: %+v, %v", changed, err)
	}
	names, statuses := map[string]int{}, map[string]int{}
	for range 200 {
		changed, err := s.EditAny(1, Change{}, Stream, noon)
		if err != nil {
			t.Fatal(err)
		}
		names[changed[0].Name]++
		statuses[changed[0].Status]++
		if strings.Count(changed[0].Name, renamed) > 1 {
			t.Errorf("name is %q, want one renaming in it", changed[0].Name)
		}
	}
	if statuses[Disabled] < 10 || statuses[Enabled] < 100 || len(names) < 100 {
		t.Errorf("200 edits made %d names and %v", len(names), statuses)
	}
	for _, bad := range []Change{{AddLine: true}, {RemoveLine: true}, {ModifiedAgo: time.Second}, {Status: Confirmed}} {
		if _, err := s.Edit([]int64{first.ShopID}, bad, Control, noon); !errors.Is(err, ErrChange) {
			t.Errorf("%+v: %v, want ErrChange", bad, err)
		}
	}
}
