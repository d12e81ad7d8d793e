package seam_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/erpstream/erpstream/pkg/seam"
)

// build builds testdata/mortal under that name.
func build(t *testing.T, name string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	args := append([]string{"build"}, flags...)
	args = append(args, "-o", program, "./testdata/mortal")
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// start starts a program that reaches sink-written; the function returned says whether it was killed.
func start(t *testing.T, program, seams string) (killed func() bool) {
	t.Helper()
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), program, string(seam.SinkWritten))
	cmd.Env = append(os.Environ(), "ERPSTREAM_SEAMS="+seams)
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		err := cmd.Wait()
		exit, failed := errors.AsType[*exec.ExitError](err)
		switch {
		case err == nil && out.String() == "alive\n":
			return false
		case failed && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && out.Len() == 0:
			return true
		}
		t.Errorf("the program said %q and ended with %v", out.String(), err)
		return false
	}
}

func arm(t *testing.T, folder, name string) string {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func TestAnArmedSeamKillsOnce(t *testing.T) {
	program, folder := build(t, "sink-mysql", "-tags", "chaos"), t.TempDir()
	if start(t, program, folder)() || start(t, program, "")() {
		t.Error("it died at a seam that is not armed")
	}
	file := arm(t, folder, "sink-written")
	if !start(t, program, folder)() {
		t.Error("it lived through an armed seam")
	}
	if exists(file) {
		t.Error("the seam is armed still")
	}
	if start(t, program, folder)() {
		t.Error("it died twice of one file")
	}
	arm(t, folder, "sink-booked")
	if start(t, program, folder)() {
		t.Error("it died at another seam than the armed one")
	}
}

func TestOfManyProcessesOneDies(t *testing.T) {
	program, folder := build(t, "sink-mysql", "-tags", "chaos"), t.TempDir()
	arm(t, folder, "sink-written")
	var running []func() bool
	for range 8 {
		running = append(running, start(t, program, folder))
	}
	died := 0
	for _, killed := range running {
		if killed() {
			died++
		}
	}
	if died != 1 {
		t.Errorf("%d processes died of one file", died)
	}
}

func TestASeamIsArmedForOneService(t *testing.T) {
	mysql, folder := build(t, "sink-mysql", "-tags", "chaos"), t.TempDir()
	file := arm(t, folder, "sink-written.sink-kis")
	if start(t, mysql, folder)() || !exists(file) {
		t.Error("another service than the named one took the seam")
	}
	if !start(t, build(t, "sink-kis", "-tags", "chaos"), folder)() {
		t.Error("the named service lived through its seam")
	}
}

func TestOtherBuildsHaveNoSeams(t *testing.T) {
	folder := t.TempDir()
	file := arm(t, folder, "sink-written")
	if start(t, build(t, "sink-mysql"), folder)() || !exists(file) {
		t.Error("a build without the tag chaos saw a seam")
	}
	if seam.Enabled {
		t.Error("this build says that it dies at seams")
	}
}

func TestAllSeamsAreListed(t *testing.T) {
	listed := map[seam.Name]bool{}
	for _, s := range seam.All() {
		if listed[s.Name] || len(s.Services) == 0 {
			t.Errorf("%s is listed twice, or nobody reaches it", s.Name)
		}
		listed[s.Name] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "seam.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Values) == 1 && spec.Type != nil {
			declared++
			if name := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`); !listed[seam.Name(name)] {
				t.Errorf("%s is not listed", name)
			}
		}
		return true
	})
	if declared != len(listed) {
		t.Errorf("%d seams are declared and %d listed", declared, len(listed))
	}
}
