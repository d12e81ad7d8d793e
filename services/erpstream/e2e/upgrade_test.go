package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// TestRollingUpgrade runs two replicas of every service of the version before, replaces them one by one by those of
// this version while documents come and are edited, and then one by one back again. Both versions work side by side
// on the same streams: nothing is missing, nothing is booked twice, and the accounts balance.
func TestRollingUpgrade(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	before := previous(t, root)
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1, SyncAlways: true, MaxPayload: 8 << 20})
	h := newFive(t)
	h.programs = filepath.Join(root, "build", "rolling") // too large for a disk in memory
	if err := os.MkdirAll(h.programs, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(h.programs) })
	for _, name := range programs(t, before) {
		install(t, filepath.Join(before, name), filepath.Join(h.programs, name))
	}
	js := natstest.Connect(t, s)
	var up, down time.Duration
	r := h.untilIdle(func() {
		h.moves(js)
		up = h.replaceAll(binaries)
		h.moves(js)
		down = h.replaceAll(before)
		h.moves(js)
	}, "--records", "200", "--edits", "240", "--edit-rate", "4", "--replicas", "2", "--nats", s.ClientURL(), "--config", impatient(t))
	h.allBalanced(r)
	t.Logf("%v; upgraded in %s, rolled back in %s, all in %d ms", h.compareAll(), up.Round(time.Second), down.Round(time.Second), r.report.ElapsedMS)
	erpstream(t, "audit", "--nats", s.ClientURL())
}

// previous builds the programs of the version before, once, into build/previous: those of the newest release where the
// clone has its tag, else of the commit that pkg/test/compat/previous names. A shallow clone has neither: then this
// version stands for both, which still shows that replicas hand over to one another.
func previous(t *testing.T, root string) string {
	t.Helper()
	revision, err := released(root)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(root, "build", "previous", revision)
	if _, err := os.Stat(out); err == nil {
		return out
	}
	tree := t.TempDir()
	if err := export(root, revision, tree); err != nil {
		t.Logf("revision %s is not in this clone (%v): this version stands for the one before", revision, err)
		return binaries
	}
	mains, err := filepath.Glob(filepath.Join(tree, "services", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-trimpath", "-o", out + ".part" + string(filepath.Separator)}
	for _, main := range mains {
		args = append(args, "./services/"+filepath.Base(filepath.Dir(main)))
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build revision %s: %v\n%s", revision, err, said)
	}
	if err := os.Rename(out+".part", out); err != nil {
		t.Fatal(err)
	}
	return out
}

// released is the revision of the version before this one.
func released(root string) (string, error) {
	cmd := exec.Command("git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	text, err := os.ReadFile(filepath.Join(root, "pkg", "test", "compat", "previous"))
	return strings.TrimSpace(string(text)), err
}

// export writes the files of a revision into a folder.
func export(root, revision, folder string) error {
	archive := exec.Command("git", "archive", "--format=tar", revision)
	archive.Dir = root
	tar, err := archive.Output()
	if err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	unpack := exec.Command("tar", "-x", "-C", folder)
	unpack.Stdin = bytes.NewReader(tar)
	return unpack.Run()
}

// programs are the names of the programs in a folder.
func programs(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// install puts a program in the place of another, which may run.
func install(t *testing.T, program, place string) {
	t.Helper()
	part := place + ".part"
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(part, data, 0o755)
	}
	if err == nil {
		err = os.Rename(part, place)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// replaceAll puts each service of another version in its place and stops its replicas in order, one after
// the other, so that both versions are at work meanwhile. It returns how long that took.
func (h *house) replaceAll(from string) time.Duration {
	h.t.Helper()
	began := time.Now()
	for _, file := range h.running() {
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		service := strings.TrimSuffix(name, "-2")
		if service == "sandbox" || h.over() {
			continue
		}
		install(h.t, filepath.Join(from, service), filepath.Join(h.programs, service))
		var was int
		eventually(h.t, func() error {
			if was = pid(file); was == 0 {
				return fmt.Errorf("%s does not run", name)
			}
			return nil
		})
		if err := syscall.Kill(was, syscall.SIGTERM); err != nil {
			h.t.Errorf("stop %s: %v", name, err)
		}
		eventually(h.t, func() error {
			if now := pid(file); !h.over() && (now == 0 || now == was) {
				return fmt.Errorf("%s is not replaced", name)
			}
			return nil
		})
	}
	return time.Since(began)
}

// running are the files with the process ids of what runs.
func (h *house) running() []string {
	files, err := filepath.Glob(filepath.Join(h.data, "run", "*.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

// pid is the process id in a file, 0 where there is none.
func pid(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(text)) // a file that is being written holds none yet
	return n
}
