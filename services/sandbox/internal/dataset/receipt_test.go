package dataset

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func params(records int) Params {
	return Params{
		Records: records, Seed: 1, Days: 30, Anchor: time.Date(2025, 1, 31, 0, 0, 0, 0, Shanghai),
		Goods: 40, Shops: 20, QuotedQty: 0.05, FractionalQty: 0.1,
	}
}

func TestReceiptsIsTheSameForTheSameParams(t *testing.T) {
	p := params(300)
	utc := p
	utc.Anchor = p.Anchor.UTC()
	if !reflect.DeepEqual(Receipts(p).Documents, Receipts(p).Documents) || Sum(Receipts(p).Documents) != Sum(Receipts(utc).Documents) {
		t.Error("same params made other receipts")
	}
	other := p
	other.Seed = 2
	if Sum(Receipts(p).Documents).Sum == Sum(Receipts(other).Documents).Sum {
		t.Error("another seed made the same receipts")
	}
}

// The golden file guards the promise over versions of the program: whoever changes it has to
// raise generation.
func TestReceiptsGolden(t *testing.T) {
	got, err := json.MarshalIndent(Receipts(params(3)).Documents, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "receipts.golden.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("receipts differ from %s:\n%s", path, got)
	}
}

func TestReceiptsShape(t *testing.T) {
	p := params(2000)
	begin, seconds := p.Anchor.AddDate(0, 0, -p.Days), map[int64]int{}
	ts, lines, all := map[int64]bool{}, map[int64]bool{}, strings.Builder{}
	for _, r := range Receipts(p).Documents {
		if r.Modified.Before(begin) || !r.Modified.Before(p.Anchor) || r.IODate.After(r.Modified) || r.Modified.Nanosecond() != 0 {
			t.Errorf("receipt %d: io_date %v, modified %v, want both from %v to before %v", r.IOID, r.IODate, r.Modified, begin, p.Anchor)
		}
		if n := len(r.Items); n < 1 || n > 5 || r.Status != Confirmed {
			t.Errorf("receipt %d: %d lines, status %s", r.IOID, n, r.Status)
		}
		if ts[r.TS] || r.TS > math.MaxInt32 || r.IOID > math.MaxInt32 {
			t.Errorf("receipt %d: ts %d is not unique or too large", r.IOID, r.TS)
		}
		ts[r.TS] = true
		for _, l := range r.Items {
			if lines[l.IOIID] || l.IOIID > math.MaxInt32 {
				t.Errorf("receipt %d: line id %d is not unique or too large", r.IOID, l.IOIID)
			}
			lines[l.IOIID] = true
		}
		seconds[r.Modified.Unix()]++
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	shared := 0
	for _, n := range seconds {
		if n > 1 {
			shared += n
		}
	}
	if shared < 20 {
		t.Errorf("%d receipts share a second, want at least 20", shared)
	}
	for _, want := range []string{"👍", "🌸", `\"`, `\\`, `\n`, `\t`, "㐂", `"remark":null`, `"remark":""`, `.0000"`, "0.5", `"sns":[]`, `"sns":null`, `"batch_no":"B`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no receipt holds %s", want)
		}
	}
}

func TestReceiptsBurst(t *testing.T) {
	p := params(1500)
	p.Burst = 1200
	most, seconds := 0, map[int64]int{}
	for _, r := range Receipts(p).Documents {
		seconds[r.Modified.Unix()]++
		most = max(most, seconds[r.Modified.Unix()])
	}
	if most < 1200 {
		t.Errorf("%d receipts in one second, want 1200", most)
	}
}

func TestReceiptsShares(t *testing.T) {
	p := params(1000)
	p.Unconfirmed, p.NullItems, p.QuotedQty, p.FractionalQty = 0.3, 0.2, 1, 0
	unconfirmed, empty := 0, 0
	for _, r := range Receipts(p).Documents {
		if r.Status != Confirmed {
			unconfirmed++
		}
		if len(r.Items) == 0 {
			empty++
		}
		for _, l := range r.Items {
			if !l.Qty.Quoted || l.Qty.Value%unit != 0 {
				t.Errorf("line %d: quantity %+v, want whole and quoted", l.IOIID, l.Qty)
			}
		}
	}
	if unconfirmed < 250 || unconfirmed > 350 || empty < 150 || empty > 250 {
		t.Errorf("%d unconfirmed and %d empty of 1000, want about 300 and 200", unconfirmed, empty)
	}
}

func TestParamsCheckNamesAllFaults(t *testing.T) {
	bad := Params{Records: -1, Burst: 5, Unconfirmed: 1.5, NullItems: math.NaN()}
	err := bad.Check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"records is -1", "days is 0", "burst is 5", "goods is 0", "unconfirmed share is 1.5", "null items share is NaN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if err := params(0).Check(); err != nil {
		t.Error(err)
	}
}
