//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a program in a pod.
type process struct {
	name, log string
	cmd       *exec.Cmd
	asked     atomic.Bool // to end
	done      chan struct{}
	err       error // what it ended with; read it after done
}

// run starts a program in a pod's network, with what it says in a file of the logs. It ends with this program.
func (h *house) run(p *pod, program string, args ...string) (*process, error) {
	started := &process{name: p.name, log: filepath.Join(h.dir, "log", p.name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(started.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), "ip", append([]string{"netns", "exec", p.name, program}, args...)...) // until it is killed, or its namespace ends
	cmd.Stdout, cmd.Stderr = log, log
	started.cmd = cmd
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		started.err = cmd.Wait()
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			p.memory = max(p.memory, usage.Maxrss<<10)
		}
		close(started.done)
	}()
	return started, nil
}

// watch ends everything when a process ends that nobody asked to.
func (h *house) watch(p *process) {
	go func() {
		<-p.done
		if !p.asked.Load() {
			h.fail(fmt.Errorf("%s ended by itself: %w: %s", p.name, p.err, p.lastWords()))
		}
	}()
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	p.end(syscall.SIGKILL)
}

// end sends a signal to the process and waits until it is gone.
func (p *process) end(signal os.Signal) {
	p.asked.Store(true)
	_ = p.cmd.Process.Signal(signal)
	<-p.done
}

// lastWords is the end of what the process printed.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1000):])
}

// until asks again and again until there is no error, or the time is over.
func until(ctx context.Context, check func(context.Context) error) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// answers asks for a page, which must be there.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// sealed reports what of a process is not as the manifests want it: its user, its capabilities, its root.
func (p *process) sealed(user podSpec) error {
	folder := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return err
	}
	id := fmt.Sprint(user.SecurityContext.RunAsUser)
	for _, want := range []string{
		"Uid:\t" + strings.Join([]string{id, id, id, id}, "\t"), "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
	} {
		if !strings.Contains(string(status), want+"\n") {
			return fmt.Errorf("%s: its status has no %q:\n%s", p.name, want, status)
		}
	}
	mounts, err := os.ReadFile(folder + "mounts")
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(string(mounts), "\n"); !strings.HasPrefix(first, "overlay / overlay ro,") {
		return fmt.Errorf("%s: its root is %q, not read-only", p.name, first)
	}
	return nil
}
