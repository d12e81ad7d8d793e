package up

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// stopWait is how long a child may take to stop before it is killed.
const stopWait = 30 * time.Second

// restartWait is how long a child that died stays down.
const restartWait = 500 * time.Millisecond

// child is a program of ours that is kept running.
type child struct {
	name string
	path string
	args []string
	env  []string
	// pidFile holds the process id while it runs.
	pidFile string
	output  io.Writer
	log     *slog.Logger
	// died holds what the child ended with the last time that nobody stopped it.
	died atomic.Pointer[error]
}

// newChild returns a child that runs a program of the binaries folder, as the replica of that
// number, from 0.
func (m *machine) newChild(name string, replica int, args, env []string) (*child, error) {
	path := filepath.Join(m.Binaries, name)
	if replica > 0 {
		name += "-" + strconv.Itoa(replica+1)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("service %s is not built: %w (run `make build`)", name, err)
	}
	folder := filepath.Join(m.Data, "run")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	return &child{
		name: name, path: path, args: args, env: env,
		pidFile: filepath.Join(folder, name+".pid"), output: m.ServiceLog, log: m.Log,
	}, nil
}

// keep runs the child and starts it again when it dies, until ctx is done; it then waits for it
// to stop in order.
func (c *child) keep(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		c.died.Store(&err)
		c.log.WarnContext(ctx, "service ended, it is started again", "service", c.name, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(restartWait):
		}
	}
}

// once runs the child until it ends. The goroutine keeps its thread: the system ends the child
// when the thread that started it is gone.
func (c *child) once(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, c.path, c.args...) //nolint:gosec // a service of the binaries folder
	cmd.Env = append(os.Environ(), c.env...)
	last := &lastLine{next: c.output}
	cmd.Stdout, cmd.Stderr = last, last
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = os.Remove(c.pidFile) }()
	if err := os.WriteFile(c.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		c.log.WarnContext(ctx, "process id not written", "err", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", c.name, err, last)
	}
	return fmt.Errorf("%s ended by itself", c.name)
}

// lastLine passes on what is written and keeps the last line of it. One goroutine writes; the
// text is read when that has ended.
type lastLine struct {
	next io.Writer
	text []byte
}

// maxLine bounds what is kept of a line, in bytes.
const maxLine = 1 << 10

// Write never fails: a child is not to die of a full disk behind its log.
func (l *lastLine) Write(p []byte) (int, error) {
	_, _ = l.next.Write(p)
	if trimmed := bytes.TrimSpace(p); len(trimmed) > 0 {
		line := trimmed[bytes.LastIndexByte(trimmed, '\n')+1:]
		l.text = append(l.text[:0], line[:min(len(line), maxLine)]...)
	}
	return len(p), nil
}

// String returns the last line.
func (l *lastLine) String() string { return string(l.text) }

// start keeps children running until the machine stops.
func (m *machine) start(children ...*child) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	for _, c := range children {
		go func() { c.keep(ctx); done <- struct{}{} }()
	}
	m.onStop(func() error {
		cancel()
		for range children {
			<-done
		}
		return nil
	})
}
