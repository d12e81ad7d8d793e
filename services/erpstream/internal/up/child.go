package up

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
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
}

// newChild returns a child that runs a program of the binaries folder.
func (m *machine) newChild(name string, args, env []string) (*child, error) {
	path := filepath.Join(m.Binaries, name)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("service %s is not built: %w (run `make build`)", name, err)
	}
	folder := filepath.Join(m.Data, "run")
	if err := os.MkdirAll(folder, 0o755); err != nil {
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
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = c.output, c.output
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = os.Remove(c.pidFile) }()
	if err := os.WriteFile(c.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		c.log.WarnContext(ctx, "process id not written", "err", err)
	}
	return cmd.Wait()
}

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
