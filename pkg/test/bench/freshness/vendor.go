package freshness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// perSecond is how many documents change each second.
const perSecond = 50

// shanghai is the zone of the vendor's times.
var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

// vendor stands in for Jushuitan: from a time on, documents change evenly. It looks at no signature.
type vendor struct {
	url  string
	from time.Time // of whole seconds
}

// listen serves until the rig is closed.
func listen(r *rig.Rig) (*vendor, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &vendor{url: "http://" + l.Addr().String(), from: time.Now().Truncate(time.Second)}
	s := &http.Server{Handler: v, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	r.OnClose(func() error {
		err := s.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return v, nil
}

// row is the document that changed as number n, at the n-th part of a second from the begin.
func (v *vendor) row(n int) []byte {
	row := floor.Record(n)
	begin := bytes.Index(row, []byte(`"modified":"`)) + len(`"modified":"`)
	copy(row[begin:], v.from.Add(time.Duration(n/perSecond)*time.Second).In(shanghai).Format(time.DateTime))
	return row
}

// first is the number of the first document of a second that a call names.
func (v *vendor) first(text string) (int, error) {
	at, err := time.ParseInLocation(time.DateTime, text, shanghai)
	return max(0, int(at.Sub(v.from)/time.Second)*perSecond), err
}

// ServeHTTP answers with one page of a window, both bounds of which belong to it.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Begin string `json:"modified_begin"`
		End   string `json:"modified_end"`
		Page  int    `json:"page_index"`
		Size  int    `json:"page_size"`
	}
	err := json.Unmarshal([]byte(r.PostFormValue("biz")), &q)
	first, wrong := v.first(q.Begin)
	end, late := v.first(q.End)
	if err := errors.Join(err, wrong, late); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	changed := int(time.Since(v.from).Seconds() * perSecond)
	end = max(first, min(end+perSecond, changed))
	begin := min(first+(q.Page-1)*q.Size, end)
	stop := min(begin+q.Size, end)
	var rows [][]byte
	for n := begin; n < stop; n++ {
		rows = append(rows, v.row(n))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = fmt.Fprintf(w, `{"code":0,"issuccess":true,"data":{"page_size":%d,"page_index":%d,"data_count":%d,"has_next":%s,"datas":[%s]}}`,
		q.Size, q.Page, end-first, strconv.FormatBool(stop < end), bytes.Join(rows, []byte(",")))
}
