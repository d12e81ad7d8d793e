package main

import (
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
)

func TestBillsAreListedByDateOrByWhenTheyWereMade(t *testing.T) {
	from := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		clue booking.Clue
		want string
	}{
		{"by date", booking.Clue{Marker: "m", Date: "2025-10-10"}, "end_bill_date=2025-10-11&start_bill_date=2025-10-09"},
		// Its date may have been changed since.
		{"by when it was made", booking.Clue{Marker: "m", Date: "2025-10-10", MadeFrom: from, MadeTo: from.Add(time.Hour)},
			"create_end_time=1795320000000&create_start_time=1795316400000"},
	}
	for _, tt := range tests {
		if got, err := listedSpan(tt.clue); err != nil || got.Encode() != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got.Encode(), err, tt.want)
		}
	}
	if _, err := listedSpan(booking.Clue{Marker: "m", Date: "10.10.2025"}); !fault.IsPermanent(err) {
		t.Errorf("a date that is none: %v", err)
	}
}
