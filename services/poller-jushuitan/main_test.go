package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/poll"
)

func TestRequestOfAWindow(t *testing.T) {
	f, err := feed.Get("jushuitan.purchasein")
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(request(poll.Query{
		Feed: f, Request: map[string]any{"statuss": []string{"Confirmed"}, "date_type": 2},
		From: time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC), To: time.Date(2025, 1, 1, 16, 0, 0, 0, time.UTC), Page: 3, Size: 50,
	}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"date_type":2,"modified_begin":"2025-01-01 00:00:00","modified_end":"2025-01-02 00:00:00","page_index":3,"page_size":50,"statuss":["Confirmed"]}`
	if string(got) != want {
		t.Errorf("request = %s\nwant      %s", got, want)
	}
	if f.Request["modified_begin"] != nil {
		t.Error("the feed's own parameters were changed")
	}
}
