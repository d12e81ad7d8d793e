package latency

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// vendor stands in for Kingdee: it answers late, saves any bill, and refuses calls above the limit of an
// account set as Kingdee does.
type vendor struct {
	url string

	mu       sync.Mutex
	accounts map[string]*account // by client id
	last     int                 // id of a bill
}

// account is what came for one account set.
type account struct {
	calls   []time.Time // that were let through
	refused int
	remarks map[string]int // bills by what they are found again by
}

// listen serves until the rig is closed.
func listen(r *rig.Rig) (*vendor, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &vendor{url: "http://" + l.Addr().String(), accounts: map[string]*account{}}
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

// forget begins anew.
func (v *vendor) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accounts = map[string]*account{}
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var data any
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/push_app_authorize"):
		data = []any{map[string]any{"appKey": "bench", "appSecret": "secret", "domain": v.url, "status": 1}}
	case strings.HasSuffix(path, "/kingdee_auth_token"):
		data = map[string]any{"app-token": "token"}
	default:
		var body struct {
			Remark string `json:"remark"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id, ok := v.save(r.Header.Get("X-Api-Clientid"), body.Remark)
		if !ok {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		time.Sleep(answersAfter)
		data = map[string]any{"ids": []string{id}, "id_number_map": map[string]string{id: "PYD-" + id}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"errcode": 0, "description": "success", "data": data})
}

// save stores a bill, unless the account set had too many calls in the minute before.
func (v *vendor) save(client, remark string) (id string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.accounts[client]
	if a == nil {
		a = &account{remarks: map[string]int{}}
		v.accounts[client] = a
	}
	now := time.Now()
	if n := len(a.calls); n >= perMinute && now.Sub(a.calls[n-perMinute]) < time.Minute {
		a.refused++
		return "", false
	}
	a.calls = append(a.calls, now)
	a.remarks[remark]++
	v.last++
	return strconv.Itoa(firstBill + v.last), true
}

// firstBill is an id as Kingdee has them.
const firstBill = 1_990_000_000_000_000_000

// begun returns how many account sets have been called.
func (v *vendor) begun() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.accounts)
}

// count returns how many calls came in a time. A call that was refused and a bill that was booked twice are
// errors.
func (v *vendor) count(from, to time.Time) (calls int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, a := range v.accounts {
		if a.refused > 0 {
			return 0, fmt.Errorf("account set %s: %d calls were refused", name, a.refused)
		}
		for remark, n := range a.remarks {
			if n > 1 {
				return 0, fmt.Errorf("account set %s: bill %q was booked %d times", name, remark, n)
			}
		}
		for _, at := range a.calls {
			if !at.Before(from) && at.Before(to) {
				calls++
			}
		}
	}
	return calls, nil
}
