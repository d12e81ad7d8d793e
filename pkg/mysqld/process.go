package mysqld

import (
	"bytes"
	"io"
	"os/exec"
	"runtime"
	"sync"
)

// keep starts the process and stays with it. The goroutine keeps its thread: a process that is
// to die with its parent dies with the thread that started it.
func (in *Instance) keep(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		close(in.done)
		started <- err
		return
	}
	in.process = cmd.Process
	started <- nil
	in.err = cmd.Wait()
	close(in.done)
}

// tailSize is how much of the server's output is kept for an error.
const tailSize = 4 << 10

// tail passes output on and remembers its end.
type tail struct {
	next io.Writer

	mu   sync.Mutex
	last []byte
}

// Write never fails, for a server must not block on its log.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-tailSize):]
	if t.next != nil {
		_, _ = t.next.Write(p)
	}
	return len(p), nil
}

// String returns the end of the output.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.last))
}
