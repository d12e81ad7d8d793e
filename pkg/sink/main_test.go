package sink

import (
	"testing"
	"time"
)

func TestWriteEndsBeforeGrace(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{
		20 * time.Second: 15 * time.Second, // the default of both
		75 * time.Second: 70 * time.Second,
		4 * time.Second:  2 * time.Second,
	} {
		if got := writeGrace(grace); got != want {
			t.Errorf("of a GRACE of %s a write may take %s, want %s", grace, got, want)
		}
	}
}
