package wangdiantong

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// readOn reads all pages forwards, as a careless client does, and returns the ids seen.
func readOn(v *vendor, door string, size int) map[string]bool {
	v.t.Helper()
	list, id := listOf(door)
	seen := map[string]bool{}
	for n := range 1 + records/size {
		r := v.pagers()[door](n, size)
		wantCode(v.t, door, r, 0)
		for _, one := range ids(r.list(list), id) {
			seen[one] = true
		}
	}
	return seen
}

func TestWhoJustReadsOnMissesWhatIsEdited(t *testing.T) {
	for _, door := range []string{"enterprise at Qimen", "flagship at Qimen"} {
		v := start(t, func(s *Settings) { s.StockInEdits, s.RefundEdits, s.EditOnPage = 30, 30, 10 })
		at := v.clock.Now().Format(time.DateTime)
		v.clock.Advance(time.Second) // what is edited from here on is modified after the window
		list, id := listOf(door)
		seen := map[string]bool{}
		for n := range 4 {
			ask := func() reply {
				if list == "stockin_list" {
					return v.qimen(gains(v).with(fields{"end_time": at, "page_no": strconv.Itoa(n), "page_size": "30"}))
				}
				window := `{"modified_from":"` + begin.Format(time.DateTime) + `","modified_to":"` + at + `"}`
				return v.qimenFlagship(window, fmt.Sprintf(`{"page_no":%d,"page_size":30}`, n+1), nil)
			}
			for _, one := range ids(ask().list(list), id) {
				seen[one] = true
			}
		}
		if len(seen) == 0 || len(seen) == records {
			t.Errorf("%s: %d of %d documents seen, want some to be missed", door, len(seen), records)
		}
		if left := v.server.Stats().EditsRemaining; left != 30 {
			t.Errorf("%s: %d edits remain, want those of the other kind", door, left)
		}
	}
}

func TestShift(t *testing.T) {
	v := start(t, nil)
	before := v.qimen(gains(v).with(fields{"page_size": "10"})).list("stockin_list")
	v.fault(faults.Fault{Kind: faults.Shift, Rows: 3})
	v.clock.Advance(time.Second)
	v.qimen(gains(v).with(fields{"page_size": "10"}))
	after := v.qimen(gains(v).with(fields{"page_size": "10"})).list("stockin_list")
	if got, want := ids(after, "stockin_id")[0], ids(before, "stockin_id")[3]; got != want {
		t.Errorf("first row is %s, want the one that was fourth, %s", got, want)
	}
	if n := v.server.StockIns.Edits()[dataset.Fault]; n != 3 {
		t.Errorf("%d edits, want 3", n)
	}
}

func TestEditsShow(t *testing.T) {
	v := start(t, nil)
	before := v.server.StockIns.Documents()[0]
	after, err := v.server.StockIns.Edit([]int64{before.ID}, dataset.Change{}, dataset.Control, v.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	row := v.qimen(fields{"stockin_no": before.No, "status": strconv.Itoa(before.Status)}).list("stockin_list")[0]
	if row["modified"] != v.clock.Now().Format(time.DateTime) || row["stockin_time"] != row["modified"] || !strings.Contains(fmt.Sprint(row["remark"]), "改单") {
		t.Errorf("modified %v, remark %v", row["modified"], row["remark"])
	}
	if row["goods_count"] != fixed(after[0].Count()) || after[0].Count() == before.Count() {
		t.Errorf("goods_count %v", row["goods_count"])
	}
}

func TestVisibility(t *testing.T) {
	v := start(t, func(s *Settings) { s.VisibleAfter = 5 * time.Minute })
	count := func() any { return v.qimen(gains(v)).Data["total_count"] }
	id := v.server.StockIns.Documents()[slices.IndexFunc(v.server.StockIns.Documents(), func(d *documents.StockIn) bool {
		return d.OrderType == documents.StockGain && d.Status == documents.Done
	})].ID
	if _, err := v.server.StockIns.Edit([]int64{id}, dataset.Change{}, dataset.Control, v.clock.Now()); err != nil {
		t.Fatal(err)
	}
	v.clock.Advance(5*time.Minute - time.Second)
	if got := count(); got != 119.0 {
		t.Errorf("just before: %v documents, want 119", got)
	}
	v.clock.Advance(time.Second)
	if got := count(); got != 120.0 {
		t.Errorf("after five minutes: %v documents, want 120", got)
	}
	refund := v.server.Refunds.Documents()[0]
	if _, err := v.server.Refunds.Edit([]int64{refund.ID}, dataset.Change{}, dataset.Control, v.clock.Now()); err != nil {
		t.Fatal(err)
	}
	r := v.qimenFlagship(`{"refund_no":"`+refund.No+`"}`, `{"page_no":1,"page_size":50}`, nil)
	if got := r.Data["total_count"]; got != 0.0 {
		t.Errorf("refund is visible at once: %v", got)
	}
}

func TestEditsSurviveARestart(t *testing.T) {
	path := t.TempDir()
	open := func() *dataset.Dir {
		t.Helper()
		dir, err := dataset.OpenDir(path, dataset.Params{Records: records, Seed: 1, Days: 5, Anchor: anchor})
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := open()
	v := startIn(t, dir, func(s *Settings) { s.StockInEdits, s.RefundEdits, s.EditOnPage = 10, 10, 5 })
	readOn(v, "enterprise", 100)
	readOn(v, "flagship at Qimen", 100)
	stockIns, refunds := dataset.Sum(v.server.StockIns.Documents()), dataset.Sum(v.server.Refunds.Documents())
	rows := fmt.Sprint(v.qimen(gains(v)).list("stockin_list"))
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	dir = open()
	again := startIn(t, dir, func(s *Settings) { s.StockInEdits, s.RefundEdits = 10, 12 })
	if dataset.Sum(again.server.StockIns.Documents()) != stockIns || dataset.Sum(again.server.Refunds.Documents()) != refunds {
		t.Error("documents are others than before")
	}
	if fmt.Sprint(again.qimen(gains(again)).list("stockin_list")) != rows {
		t.Error("rows are others than before")
	}
	if left := again.server.Stats().EditsRemaining; left != 2 {
		t.Errorf("%d edits remain, want 2", left)
	}
	if err := dir.Close(); err != nil {
		t.Error(err)
	}
}

func TestEditsWhilePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := Default()
		settings.StockInEdits, settings.RefundEdits, settings.EditRate = 4, 2, 2
		settings.ClockOffset = 25 * 365 * 24 * time.Hour // the bubble's clock begins in 2000, when timestamps were shorter
		s, err := New(Config{
			Settings: settings, World: testWorld(), Data: documents.Params{Records: 20, Seed: 1, Days: 5, Anchor: time.Now()},
			Faults: faults.NewPlan(1), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		defer cancel()
		time.Sleep(time.Hour)
		if left := s.Stats().EditsRemaining; left != 6 {
			t.Errorf("before the first query %d edits remain, want 6", left)
		}
		params := fields{"sid": "demo2", "appkey": "demo2-test", "timestamp": strconv.FormatInt(s.Clock().Unix(), 10)}
		params["sign"] = enterpriseSign("b7c1e0f2a4d6", params, inCharacters)
		call := httptest.NewRequestWithContext(ctx, http.MethodPost, "/openapi2/warehouse_query.php", strings.NewReader(params.values().Encode()))
		call.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(httptest.NewRecorder(), call)
		for _, want := range []int{6, 4, 2, 1, 0} {
			if left := s.Stats().EditsRemaining; left != want {
				t.Errorf("%v: %d edits remain, want %d", time.Now(), left, want)
			}
			time.Sleep(501 * time.Millisecond)
			synctest.Wait()
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := s.StockIns.Edits()[dataset.Stream]; n != 4 {
			t.Errorf("%d edits of stock-ins, want 4", n)
		}
	})
}
