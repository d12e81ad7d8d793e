package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// stopWait is how long a process may take to end before it is killed.
const stopWait = 30 * time.Second

// Process is a program that runs. Its methods may be called by many goroutines.
type Process struct {
	name    string
	log     string
	process *os.Process
	asked   atomic.Bool // to end
	// done is closed when the process has ended; state and err are read after it.
	done  chan struct{}
	state *os.ProcessState
	err   error
}

// Start starts a program with its output in a file of the rig's logs. It ends with Stop, with the rig,
// and with this process, however that ends.
func (r *Rig) Start(name, program string, args, env []string) (*Process, error) {
	log, err := r.logFile(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), program, args...) // until it is stopped
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	p := &Process{name: name, log: log.Name(), done: make(chan struct{})}
	started := make(chan error, 1)
	go p.keep(cmd, started)
	err = errors.Join(<-started, log.Close())
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r.OnClose(p.Stop)
	return p, nil
}

// keep starts the process and waits for it. The goroutine keeps its thread: the system ends the process
// when the thread that started it is gone.
func (p *Process) keep(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	err := cmd.Start()
	p.process = cmd.Process
	started <- err
	if err != nil {
		return
	}
	p.err = cmd.Wait()
	p.state = cmd.ProcessState
}

// Self starts this program itself in one of its modes, see Modes.
func (r *Rig) Self(name, mode string, args ...string) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return r.Start(name, program, append([]string{modeArgument, mode}, args...), nil)
}

// PID is the process id.
func (p *Process) PID() int { return p.process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process ends by itself. The error says how it failed, with its last words.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", p.name, ctx.Err())
	case <-p.done:
		return p.failure()
	}
}

// Stop ends the process in order, kills it when that takes too long, and waits until it is gone. A
// process that failed before it was stopped is an error. Stopping twice is fine.
func (p *Process) Stop() error {
	select {
	case <-p.done:
	default:
		p.asked.Store(true)
		_ = p.process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(stopWait, p.Kill)
		defer timer.Stop()
		<-p.done
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok && !exit.Exited() && p.asked.Load() {
		return nil // by a signal, which was ours
	}
	return p.failure()
}

// failure is what the process ended with, and its last words.
func (p *Process) failure() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", p.name, p.err, p.lastWords())
}

// Kill ends the process at once; it does not wait.
func (p *Process) Kill() { _ = p.process.Kill() }

// Usage is what the process took so far, or in all when it has ended.
func (p *Process) Usage() (measure.Usage, error) {
	select {
	case <-p.done:
	default:
		usage, err := measure.UsageOf(p.PID())
		if err == nil {
			return usage, nil
		}
		select { // it may have ended just now
		case <-p.done:
		case <-time.After(stopWait):
			return usage, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	usage := measure.Usage{CPU: p.state.UserTime() + p.state.SystemTime()}
	if rusage, ok := p.state.SysUsage().(*syscall.Rusage); ok {
		usage.Peak = rusage.Maxrss << 10
	}
	return usage, nil
}

// lastWords is the end of what the process printed.
func (p *Process) lastWords() string {
	const most = 2 << 10
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}
