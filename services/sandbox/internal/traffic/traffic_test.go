package traffic

import (
	"fmt"
	"testing"
	"time"
)

func TestCounters(t *testing.T) {
	c := NewCounters()
	begin := time.Date(2025, 10, 10, 12, 0, 0, 0, time.UTC)
	for i, call := range []struct {
		after    time.Duration
		path     string
		business bool
		code     int // -1: no answer
	}{
		{0, "/a", true, 0}, {500 * time.Millisecond, "/a", true, 0}, {900 * time.Millisecond, "/b", true, 199}, {950 * time.Millisecond, "/token", false, 0},
		{1500 * time.Millisecond, "/b", true, 0}, // the call half a second after the first is a second old: no longer in its window
		{60 * time.Second, "/a", true, -1},       // the first is a minute old
	} {
		now := begin.Add(call.after)
		c.Call(call.path, call.business, now)
		if call.code < 0 {
			c.Failed()
			continue
		}
		c.Answered(call.code, call.business, now)
		if i == 0 && fmt.Sprint(c.Stats().Rejections) != "map[]" {
			t.Errorf("rejections %v after a success", c.Stats().Rejections)
		}
	}
	got := fmt.Sprintf("%+v", c.Stats())
	const want = "{Calls:map[/a:3 /b:2 /token:1] Answers:map[0:4 199:1 fault:1] Rejections:map[199:1 fault:1] All:{PerSecond:3 PerMinute:4} Accepted:{PerSecond:2 PerMinute:3}}"
	if got != want {
		t.Errorf("stats %s\nwant  %s", got, want)
	}
}

// What Stats returned stays as it was.
func TestStatsAreACopy(t *testing.T) {
	c := NewCounters()
	st := c.Stats()
	c.Call("/a", true, time.Now())
	c.Answered(1, true, time.Now())
	if len(st.Calls)+len(st.Answers)+len(st.Rejections) != 0 {
		t.Errorf("stats changed to %+v", st)
	}
}
