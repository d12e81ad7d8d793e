package httpcall_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/httpcall"
)

// clockwork answers without a network: after a while, with the Date that a clock shows then.
type clockwork struct {
	ahead, takes time.Duration
	header       http.Header
}

func (c *clockwork) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(c.takes / 2)
	w := httptest.NewRecorder()
	w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
	maps.Copy(w.Header(), c.header)
	time.Sleep(c.takes / 2)
	return w.Result(), nil
}

func TestSkewOfTheOtherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{takes: 300 * time.Millisecond}
		client := httpcall.New(&http.Client{Transport: c}, time.Minute, 1<<20, "dev")
		call := func(n int) (least, most time.Duration) {
			for range n {
				time.Sleep(777 * time.Millisecond) // the seconds of the two clocks don't turn together
				if _, err := client.Do(t.Context(), httpcall.Request{Method: http.MethodPost, URL: "http://vendor"}); err != nil {
					t.Fatal(err)
				}
			}
			return client.Skew()
		}
		if least, most := client.Skew(); least != 0 || most != 0 {
			t.Errorf("skew of nobody is %v to %v", least, most)
		}
		if least, most := call(20); least != 0 || most != 0 {
			t.Errorf("skew of an equal clock is %v to %v", least, most)
		}
		c.ahead = -2 * time.Minute
		if least, most := call(1); least > c.ahead || least < c.ahead-2*time.Second || most != 0 {
			t.Errorf("skew of a clock that is behind is %v to %v after one call", least, most)
		}
		c.ahead = 0
		if least, _ := call(7); least > -2*time.Minute {
			t.Errorf("the skew is forgotten after few calls: %v", least)
		}
		c.ahead = 90 * time.Second
		if least, most := call(8); most < c.ahead || most > c.ahead+2*time.Second || least != 0 {
			t.Errorf("skew of a clock that is ahead is %v to %v", least, most)
		}
		for why, wrong := range map[string]clockwork{
			"no time": {header: http.Header{"Date": {"yesterday"}}}, "no date": {header: http.Header{"Date": nil}},
			"local time for Greenwich's": {ahead: 8 * time.Hour}, "an old answer": {ahead: -10 * time.Minute, header: http.Header{"Age": {"600"}}},
		} {
			c.ahead, c.header = 0, nil
			call(8)
			c.ahead, c.header = wrong.ahead, wrong.header
			if least, most := call(8); least != 0 || most != 0 {
				t.Errorf("%s: skew is %v to %v", why, least, most)
			}
		}
	})
}
