package dataset

import (
	"path/filepath"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Kinds keep their edits in journals of their own.
func TestADirKeepsStoresOfSeveralKinds(t *testing.T) {
	path, p := t.TempDir(), params(30)
	w := world.New(p.World())
	open := func() (*Dir, *Store[*OtherIn], *Store[*Shop]) {
		t.Helper()
		dir, err := OpenDir(path, p)
		if err != nil {
			t.Fatal(err)
		}
		others, err := Open(dir, OtherIns(p, w))
		if err != nil {
			t.Fatal(err)
		}
		shops, err := Open(dir, Shops(p, w))
		if err != nil {
			t.Fatal(err)
		}
		return dir, others, shops
	}
	dir, others, shops := open()
	if _, err := others.EditAny(3, Change{}, Stream, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := shops.EditAny(2, Change{Name: "新店"}, Control, noon); err != nil {
		t.Fatal(err)
	}
	wantOthers, wantShops := Sum(others.Documents()), Sum(shops.Documents())
	for _, end := range []func() error{others.Close, shops.Close, dir.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	dir, others, shops = open()
	defer dir.Close()
	defer others.Close()
	defer shops.Close()
	if Sum(others.Documents()) != wantOthers || Sum(shops.Documents()) != wantShops || others.Edits()[Stream] != 3 || shops.Edits()[Control] != 2 {
		t.Error("edits are gone")
	}
	renamed := 0
	for _, s := range shops.Documents() {
		if s.Name == "新店" {
			renamed++
		}
	}
	if renamed != 2 {
		t.Errorf("%d shops have the new name, want 2", renamed)
	}
}

func TestWithoutADirNothingIsKept(t *testing.T) {
	var none *Dir
	if none.File("x") != "" || none.Close() != nil {
		t.Error("no directory has files")
	}
	s, err := Open(none, Receipts(params(5)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.EditAny(1, Change{}, Stream, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestJournalGivesBackItsEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := OpenJournal(path, func(string) error { t.Error("an entry in a new journal"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append("a\nb", "c"); err != nil {
		t.Fatal(err)
	}
	if err := j.Append("d"); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	j, err = OpenJournal(path, func(e string) error { got = append(got, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if len(got) != 3 || got[0] != "a\nb" || got[2] != "d" {
		t.Errorf("entries are %q", got)
	}
}
