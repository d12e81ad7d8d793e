package rig_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/natstest"
)

func TestCloseEndsWhatRuns(t *testing.T) {
	r := newRig(t)
	p, err := r.Self("one", "wait")
	if err != nil {
		t.Fatal(err)
	}
	if usage, err := p.Usage(); err != nil || usage.Peak == 0 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("it runs after Close")
	}
	if usage, err := p.Usage(); err != nil || usage.Peak == 0 || usage.CPU == 0 {
		t.Errorf("usage in the end %+v, %v", usage, err)
	}
	if _, err := os.Stat(r.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data are there after Close: %v", err)
	}
}

// What a rig started ends with it, also when it is killed.
func TestProcessesEndWithTheirParent(t *testing.T) {
	parent := exec.CommandContext(t.Context(), os.Args[0], "--mode", "start")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	_ = parent.Process.Kill()
	_ = parent.Wait()
	natstest.Eventually(t, func() error {
		if running(pid) {
			return fmt.Errorf("process %s outlives its parent", pid)
		}
		return nil
	})
}

// running tells whether a process runs; one that ended and was not waited for has no command line.
func running(pid string) bool {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	return err == nil && len(line) > 0
}
