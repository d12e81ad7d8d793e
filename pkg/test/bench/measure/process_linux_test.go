package measure_test

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// mark makes the test binary a program that works and waits.
const mark = "MEASURE_TEST_CHILD"

// processor is what this process took so far.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestUsageOf(t *testing.T) {
	if os.Getenv(mark) != "" {
		room := bytes.Repeat([]byte{1}, 64<<20)
		for i := 0; processor(t) < 300*time.Millisecond; i++ {
			room[i%len(room)]++
		}
		_, _ = os.Stdout.Write([]byte("done\n"))
		_, _ = os.Stdin.Read(room)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUsageOf$")
	cmd.Env = append(os.Environ(), mark+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	usage, err := measure.UsageOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	_ = cmd.Wait()
	whole := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage.CPU < whole/2 || usage.CPU > whole+whole/10 {
		t.Errorf("%s of the processor, the system says %s in all", usage.CPU, whole)
	}
	if usage.Peak < 64<<20 || usage.Peak > 1<<30 {
		t.Errorf("a peak of %d bytes, want 64 MiB and a little", usage.Peak)
	}
	if _, err := measure.UsageOf(cmd.Process.Pid); err == nil {
		t.Error("a process that is gone has a use")
	}
}
