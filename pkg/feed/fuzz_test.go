package feed_test

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/feed"
)

// Whatever a row is, a document that could be identified has a key and a version, and the same ones when
// it is read again.
func FuzzIdentify(f *testing.F) {
	var feeds []feed.Feed
	for _, name := range feed.Names() {
		one, err := feed.Get(name)
		if err != nil {
			f.Fatal(err)
		}
		feeds = append(feeds, one)
	}
	for _, seed := range []string{
		`{"io_id":2204001,"ts":"1000000001","modified":"2026-01-31 12:00:00"}`, `{"refund_id":1,"modified":1717400000000}`,
		`{"stockin_id":"48213","modified":"2026-01-31 12:00:00"}`, `{"shop_id":0}`, `{"id":"1700000000000000001"}`, `{"FItemID":1.0}`, `[]`, `null`,
		`{"io_id":{},"ts":1}`, `{"io_id":1e3,"ts":1,"modified":""}`, `{"io_id":"\ud800","ts":9223372036854775808}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		for _, one := range feeds {
			id, err := one.Identify(row)
			if err != nil {
				continue
			}
			again, err := one.Identify(row)
			if id.Key == "" || err != nil || again.Key != id.Key || again.Version != id.Version || !again.Modified.Equal(id.Modified) {
				t.Errorf("feed %s: %q is %+v, and %+v, %v", one.Name, row, id, again, err)
			}
			if !one.Snapshot && id.Modified.IsZero() {
				t.Errorf("feed %s: %q has no time", one.Name, row)
			}
			_, _ = one.RowVersionOf(row)
		}
	})
}

// A descriptor that was read names what a poller needs.
func FuzzParse(f *testing.F) {
	f.Add([]byte("feed: jushuitan.x\nsystem: jushuitan\npath: /x\nrows: datas\nkey: [id]\nsnapshot: true\nzone: Asia/Shanghai\nwindow: {settle: 1m}\npaging: {index: p, size: s, origin: 1, max: 50}\n"))
	f.Add([]byte("feed: &a [*a]\n"))
	f.Add([]byte("window: {resolution: -1s}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := feed.Parse(text)
		if err != nil {
			return
		}
		if one.Name == "" || len(one.Key) == 0 || one.Location() == nil || one.Paging.Max < 1 || !one.Snapshot && one.Window.Resolution <= 0 {
			t.Errorf("%q is the feed %+v", text, one)
		}
	})
}
