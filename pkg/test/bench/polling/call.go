package polling

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// readBiz reads what a call asks for.
func readBiz(r *http.Request, into any) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	return json.Unmarshal([]byte(r.PostForm.Get("biz")), into)
}

// vendor is a vendor in a process of its own.
type vendor struct {
	*rig.Process
	url string
}

// startVendor starts a vendor with that many documents, the first of which changed at from, and a limit of
// calls a second where it is not 0. It waits until the vendor answers.
func startVendor(ctx context.Context, r *rig.Rig, from time.Time, documents, perSecond int) (*vendor, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	p, err := r.Self("vendor", vendorMode, "-address", address, "-from", strconv.FormatInt(from.Unix(), 10), "-documents", strconv.Itoa(documents), "-per-second", strconv.Itoa(perSecond))
	if err != nil {
		return nil, err
	}
	v := &vendor{p, "http://" + address}
	for {
		if _, _, err = v.calls(ctx); err == nil {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.Done():
			return nil, fmt.Errorf("the vendor ended at once: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// calls is how often the vendor was called, and how many calls it refused.
func (v *vendor) calls(ctx context.Context) (calls, refused int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/calls", nil)
	if err != nil {
		return 0, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = fmt.Fscan(resp.Body, &calls, &refused)
	return calls, refused, err
}
