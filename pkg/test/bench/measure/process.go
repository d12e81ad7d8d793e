package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process took so far.
type Usage struct {
	// CPU is its user and system time, with that of children that ended left out.
	CPU time.Duration
	// Peak is the most memory that it had at once, in bytes.
	Peak int64
}

// Since returns what was taken between an earlier look at the same process and this one. The peak is that
// of the whole time.
func (u Usage) Since(before Usage) Usage { return Usage{CPU: u.CPU - before.CPU, Peak: u.Peak} }

// Plus adds up two processes that run side by side.
func (u Usage) Plus(other Usage) Usage {
	return Usage{CPU: u.CPU + other.CPU, Peak: u.Peak + other.Peak}
}

// tick is the unit of times in /proc/<pid>/stat, which is the same on every Linux.
const tick = 10 * time.Millisecond

// UsageOf reads what a running process took from /proc, which Linux has; the processor time has a resolution
// of 10 ms.
func UsageOf(pid int) (Usage, error) {
	folder := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		return Usage{}, err
	}
	cpu, err := readCPU(stat)
	if err != nil {
		return Usage{}, fmt.Errorf("%s/stat: %w", folder, err)
	}
	peak, err := readPeak(status)
	if err != nil {
		return Usage{}, fmt.Errorf("%s/status: %w", folder, err)
	}
	return Usage{CPU: cpu, Peak: peak}, nil
}

// ResetPeak lets the peak of a process begin anew, from what it has now.
func ResetPeak(pid int) error {
	return os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0o200)
}

// Where the times stand behind the name, which may hold anything.
const (
	userField   = 11
	systemField = 12
)

func readCPU(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) <= systemField {
		return 0, fmt.Errorf("can't be read: %q", stat)
	}
	user, err := strconv.ParseInt(fields[userField], 10, 64)
	system, other := strconv.ParseInt(fields[systemField], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err, other)
}

func readPeak(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmHWM: the process has ended")
}
