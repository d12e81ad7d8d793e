// Package rig is what scenarios run on: the real services, NATS and MariaDB, each a process of its own on
// loopback, with their data in one folder on a disk.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Rig holds processes and their data until Close. Its methods may be called by many goroutines.
type Rig struct {
	// Root is the folder of the repository, Dir that of this rig's own data, which Close removes, and Logs
	// that of what its processes print, which stays until a rig of the same name is made.
	Root, Dir, Logs string

	mu    sync.Mutex
	stops []func() error
}

// place is where everything lies, from the repository's folder: beside what `make` builds, on its disk.
const place = "build/bench"

// New makes empty folders below build/bench of the repository that the working folder is in. The disk has
// nothing left to write by then: what one scenario leaves behind would else stop the flushes of the next for
// seconds.
func New(name string) (*Rig, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	r := &Rig{Root: root, Logs: filepath.Join(root, place, "log", name)}
	if err := os.RemoveAll(r.Logs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Logs, 0o755); err != nil {
		return nil, err
	}
	r.Dir, err = os.MkdirTemp(filepath.Join(root, place), "run-"+name+"-")
	settle()
	return r, err
}

// Root returns the folder of the repository, which has a go.work, going up from the working folder.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work in %s or above it: run it in the repository", start)
		}
	}
}

// OnClose adds what Close does, before all that was added earlier.
func (r *Rig) OnClose(stop func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stops = append(r.stops, stop)
}

// Close ends what runs, the last first, and removes the data; the logs stay.
func (r *Rig) Close() error {
	r.mu.Lock()
	stops := r.stops
	r.stops = nil
	r.mu.Unlock()
	var errs []error
	for _, stop := range slices.Backward(stops) {
		errs = append(errs, stop())
	}
	return errors.Join(append(errs, os.RemoveAll(r.Dir))...)
}

// Folder makes a folder for data of the rig.
func (r *Rig) Folder(name string) (string, error) {
	dir := filepath.Join(r.Dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// logFile opens the log of a process; what is there already stays.
func (r *Rig) logFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(r.Logs, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// Build builds the programs of services, as the Makefile does, and returns the folder they are in. What
// is up to date is not built again.
func (r *Rig) Build(ctx context.Context, services ...string) (string, error) {
	folder := filepath.Join(r.Root, place, "bin")
	args := []string{"build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", folder + string(filepath.Separator)}
	for _, name := range services {
		args = append(args, "./services/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = r.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return folder, nil
}

// Erpstream runs the command line to its end and returns what it printed. It must have been built.
func (r *Rig) Erpstream(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.Root, place, "bin", "erpstream"), args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("erpstream %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.String(), nil
}

// freeAddress returns an address of loopback where nobody listens now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
