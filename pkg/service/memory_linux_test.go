package service

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// resident is how much memory of its own the process has, in bytes.
func resident(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// use writes to so much memory, which nobody needs afterwards.
//
//go:noinline
func use(bytes int) {
	used := make([]byte, bytes)
	for i := range used {
		used[i] = 1
	}
}

// Headroom in memory that was in use before, as after a start that needed much.
func TestHeadroomTakesNoMemory(t *testing.T) {
	use(4 * headroom)
	debug.FreeOSMemory()
	before := resident(t)
	untouched := make([]byte, headroom)
	giveBack(untouched)
	if took := resident(t) - before; took > headroom/4 {
		t.Errorf("the headroom takes %d MB", took>>20)
	}
	untouched[headroom-1]++
	if untouched[0] != 0 || untouched[headroom-1] != 1 {
		t.Error("the memory is not there")
	}
}
