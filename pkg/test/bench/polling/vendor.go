package polling

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// vendorMode is the mode in which this program is a vendor.
const vendorMode = "polling-vendor"

// shanghai is the zone of the vendor's times.
var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

// Modes are the programs of the scenarios.
func Modes() rig.Modes { return rig.Modes{vendorMode: serveVendor, floorMode: runFloor} }

// pages are the documents of a vendor that looks at no signature: one of each second, from a time on.
type pages struct {
	from time.Time
	rows [][]byte
	// perSecond is how many calls any second may have, 0 for no limit.
	perSecond int

	mu      sync.Mutex
	calls   int
	refused int
	latest  []time.Time // the calls of the last second, the refused ones too
}

// admit counts a call and reports whether the limit allows it.
func (p *pages) admit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.perSecond == 0 {
		return true
	}
	now := time.Now()
	first, _ := slices.BinarySearchFunc(p.latest, now.Add(-time.Second), time.Time.Compare)
	p.latest = append(p.latest[first:], now)
	if len(p.latest) <= p.perSecond {
		return true
	}
	p.refused++
	return false
}

// newPages makes documents that are like those of the other scenarios but for their time.
func newPages(from time.Time, n int) *pages {
	p := &pages{from: from, rows: make([][]byte, n)}
	for i := range p.rows {
		row := floor.Record(i)
		begin := bytes.Index(row, []byte(`"modified":"`)) + len(`"modified":"`)
		copy(row[begin:], from.Add(time.Duration(i)*time.Second).In(shanghai).Format(time.DateTime))
		p.rows[i] = row
	}
	return p
}

// index is the number of the first document that is not before a time.
func (p *pages) index(text string) int {
	at, err := time.ParseInLocation(time.DateTime, text, shanghai)
	if err != nil {
		return 0
	}
	return min(max(int(at.Sub(p.from)/time.Second), 0), len(p.rows))
}

// ServeHTTP answers with one page of a window, in the envelope of the vendor.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if !p.admit() {
		_, _ = io.WriteString(w, `{"code":199,"issuccess":false,"msg":"调用太频繁，请稍后再试!"}`)
		return
	}
	var q struct {
		Begin string `json:"modified_begin"`
		End   string `json:"modified_end"`
		Page  int    `json:"page_index"`
		Size  int    `json:"page_size"`
	}
	if err := readBiz(r, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	first, end := p.index(q.Begin), p.index(q.End)
	if end < len(p.rows) && q.End != "" {
		end++ // both bounds belong to the window
	}
	total := max(0, end-first)
	begin := min(first+(q.Page-1)*q.Size, end)
	rows := p.rows[begin:min(begin+q.Size, end)]
	body := fmt.Appendf(nil, `{"code":0,"issuccess":true,"msg":"执行成功","data":{"page_size":%d,"page_index":%d,"data_count":%d,"page_count":%d,"has_next":%t,"datas":[`,
		q.Size, q.Page, total, (total+q.Size-1)/q.Size, begin+len(rows) < end)
	body = append(body, bytes.Join(rows, []byte(","))...)
	body = append(body, `]}}`...)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// serveVendor is the program that the vendor is.
func serveVendor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(vendorMode, flag.ContinueOnError)
	address := flags.String("address", "", "where to listen")
	from := flags.Int64("from", 0, "when the first document changed, in seconds")
	documents := flags.Int("documents", 0, "how many there are")
	perSecond := flags.Int("per-second", 0, "how many calls any second may have; 0: no limit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p := newPages(time.Unix(*from, 0), *documents)
	p.perSecond = *perSecond
	l, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /", p)
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprintln(w, p.calls, p.refused)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
