package mysqld_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childEnv makes the test binary a program that starts a server in the folder it names.
const childEnv = "MYSQLD_TEST_DIR"

func TestServerEndsWithItsParent(t *testing.T) {
	if dir := os.Getenv(childEnv); dir != "" {
		if _, err := os.Stdout.WriteString(start(t, dir, nil).Addr + "\n"); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerEndsWithItsParent$")
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = child.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewScanner(out).Scan() // the server answers
	pid, err := os.ReadFile(filepath.Join(dir, "data", "mysqld.pid"))
	if err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for range 200 {
		if !runs(strings.TrimSpace(string(pid))) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the server, process %s, outlived its parent by 10 s", pid)
}

// runs reports whether a process runs; one that ended and was not waited for has no command line.
func runs(pid string) bool {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	return err == nil && len(line) > 0
}
