package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2025, 2, 1, 12, 0, 0, 999, time.UTC)

func TestEditMakesANewVersion(t *testing.T) {
	s := New(Receipts(params(20)))
	before := s.Documents()
	changed, err := s.Edit([]int64{firstReceipt + 3, firstReceipt + 3, firstReceipt + 7}, Change{AddLine: true}, Control, noon)
	if err != nil {
		t.Fatal(err)
	}
	after := s.Documents()
	if after[3] != changed[1] || after[7] != changed[2] || after[4] != before[4] {
		t.Error("edited receipts are not in their places")
	}
	if changed[0].TS <= before[len(before)-1].TS || changed[1].TS <= changed[0].TS || changed[2].TS <= changed[1].TS {
		t.Errorf("ts do not grow: %d %d %d", changed[0].TS, changed[1].TS, changed[2].TS)
	}
	if got := rowTimeOf(changed[0]); got != "2025-02-01 20:00:00" {
		t.Errorf("modified is %s, want the time in Shanghai", got)
	}
	if len(changed[1].Items) != len(before[3].Items)+2 || len(before[3].Items) == 0 {
		t.Errorf("%d lines after adding two to %d", len(changed[1].Items), len(before[3].Items))
	}
	if got := s.Edits(); got[Control] != 3 || got[Stream] != 0 {
		t.Errorf("edits are %v", got)
	}
}

func rowTimeOf(r *Receipt) string { return r.Modified.Format(time.DateTime) }

func TestEditAsOrdered(t *testing.T) {
	s := New(Receipts(params(20)))
	lines := len(s.Documents()[0].Items)
	for range 6 {
		if _, err := s.Edit([]int64{firstReceipt}, Change{RemoveLine: true, Status: "Cancelled", ModifiedAgo: time.Hour}, Control, noon); err != nil {
			t.Fatal(err)
		}
	}
	r := s.Documents()[0]
	if len(r.Items) != 1 || r.Status != "Cancelled" || rowTimeOf(r) != "2025-02-01 19:00:00" {
		t.Errorf("from %d lines: %d lines, status %s, modified %s", lines, len(r.Items), r.Status, rowTimeOf(r))
	}
}

func TestEditOfUnknownReceiptChangesNothing(t *testing.T) {
	s := New(Receipts(params(5)))
	before := Sum(s.Documents())
	_, err := s.Edit([]int64{firstReceipt, firstReceipt + 5}, Change{}, Control, noon)
	if !errors.Is(err, ErrUnknown) || Sum(s.Documents()) != before {
		t.Errorf("err = %v, receipts changed: %v", err, Sum(s.Documents()) != before)
	}
}

func TestEditAnyIsTheSameEachTime(t *testing.T) {
	a, b := New(Receipts(params(50))), New(Receipts(params(50)))
	for range 30 {
		for _, s := range []*Store[*Receipt]{a, b} {
			if _, err := s.EditAny(3, Change{}, Stream, noon); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !reflect.DeepEqual(a.Documents(), b.Documents()) {
		t.Error("same edits made other receipts")
	}
	all, err := a.EditAny(1000, Change{}, Stream, noon)
	if err != nil || len(all) != 50 {
		t.Errorf("edited %d, %v, want all 50", len(all), err)
	}
}

// crashed returns a copy of a data directory as a crash would leave it.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// kept is the receipts of a data directory.
type kept struct {
	*Store[*Receipt]
	dir *Dir
}

func (k kept) Close() error { return errors.Join(k.Store.Close(), k.dir.Close()) }

func openKept(path string, p Params) (kept, error) {
	dir, err := OpenDir(path, p)
	if err != nil {
		return kept{}, err
	}
	s, err := Open(dir, Receipts(p))
	if err != nil {
		return kept{}, errors.Join(err, dir.Close())
	}
	return kept{s, dir}, nil
}

func openStore(t *testing.T, path string, p Params) kept {
	t.Helper()
	k, err := openKept(path, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func text(t *testing.T, receipts []*Receipt) string {
	t.Helper()
	b, err := json.Marshal(receipts)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEditsSurviveACrash(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, params(50))
	for range 20 {
		if _, err := s.EditAny(4, Change{}, Stream, noon); err != nil {
			t.Fatal(err)
		}
	}
	again := openStore(t, crashed(t, dir), params(50))
	if text(t, again.Documents()) != text(t, s.Documents()) || !reflect.DeepEqual(again.Edits(), s.Edits()) {
		t.Error("the store is not what it was before the crash")
	}
	first, err := again.EditAny(2, Change{AddLine: true}, Stream, noon)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.EditAny(2, Change{AddLine: true}, Stream, noon)
	if err != nil || text(t, first) != text(t, second) {
		t.Errorf("the store goes on otherwise after the crash: %v", err)
	}
}

func TestACutOffEditIsDropped(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, params(10))
	if _, err := s.EditAny(1, Change{}, Stream, noon); err != nil {
		t.Fatal(err)
	}
	want := Sum(s.Documents())
	torn := crashed(t, dir)
	path := filepath.Join(torn, "receipts.journal")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, `{"cause":"stream","document":{"io_id":2204`...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, torn, params(10))
	if got := Sum(again.Documents()); got != want {
		t.Errorf("checksum is %+v, want %+v", got, want)
	}
	if _, err := again.EditAny(1, Change{}, Stream, noon); err != nil {
		t.Fatal(err)
	}
	third := openStore(t, crashed(t, torn), params(10))
	if Sum(third.Documents()) != Sum(again.Documents()) {
		t.Error("edits after a cut-off one are lost")
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		spoil      func(dir string) error
		params     Params
	}{
		{"other parameters", "other parameters", func(string) error { return nil }, params(11)},
		{"another generation", "generation 99", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "dataset.json"), []byte(`{"generation":99}`), 0o600)
		}, params(10)},
		{"a broken stamp", "dataset.json", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "dataset.json"), []byte(`{`), 0o600)
		}, params(10)},
		{"a journal of nothing", "line 1", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "receipts.journal"), []byte(`{"cause":"stream"}`+"\n"), 0o600)
		}, params(10)},
		{"a broken journal", "line 1", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "receipts.journal"), []byte("{]\n"), 0o600)
		}, params(10)},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, params(10))
			if err := errors.Join(s.Close(), test.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := openKept(dir, test.params); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("err = %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestOpenIsForOneAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, params(10))
	if _, err := openKept(dir, params(10)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("err = %v, want one about use", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, params(10))
}

func TestChecksumIsAsDocumented(t *testing.T) {
	receipts := []*Receipt{
		{Head: Head{IOID: 2, TS: 9}},
		{Head: Head{IOID: 1, TS: 10}, Items: []Line{{IOIID: 8, Qty: Quantity{Value: 25_000}}, {IOIID: 7, Qty: Quantity{Value: 20_000, Quoted: true}}}},
	}
	sum := sha256.Sum256([]byte("1\t10\t7:2.0000,8:2.5000\n2\t9\t\n"))
	want := Checksum{Documents: 2, Lines: 2, Sum: hex.EncodeToString(sum[:])}
	if got := Sum(receipts); got != want {
		t.Errorf("checksum is %+v, want %+v", got, want)
	}
}
