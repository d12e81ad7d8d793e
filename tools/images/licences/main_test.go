package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/tools/images/internal/treetest"
)

// licences runs the command, and returns its exit code and what it printed.
func licences(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = execute(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestCurrent(t *testing.T) {
	tree := treetest.New(t, treetest.MIT)
	row := "| example.com/greeting | v1.0.0 | MIT | all |"
	code, _, stderr := licences(t, "--source", tree, "--check")
	if code != 1 || !strings.Contains(stderr, "docs/dependencies.md is not current, make licences mends it") || !strings.Contains(stderr, "+ "+row) {
		t.Errorf("before: exit code %d, %s", code, stderr)
	}
	if code, _, stderr = licences(t, "--source", tree); code != 0 {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile(filepath.Join(tree, document))
	if err != nil || !strings.Contains(string(text), "1 modules: MIT 1.") || !strings.Contains(string(text), row) {
		t.Errorf("document %s, %v", text, err)
	}
	if code, _, stderr = licences(t, "--source", tree, "--check"); code != 0 {
		t.Errorf("after: exit code %d, %s", code, stderr)
	}
}

func TestRefused(t *testing.T) {
	for name, licence := range map[string]string{
		"GPL-3.0-or-later is not among the licences that may be shipped": treetest.GPL,
		"has no licence file":           "",
		"is no licence that is known":   "All rights reserved.",
		"linked into hello":             treetest.GPL,
		"example.com/greeting@v1.0.0, ": "",
	} {
		tree := treetest.New(t, licence)
		for _, args := range [][]string{{"--source", tree}, {"--source", tree, "--check"}} {
			code, _, stderr := licences(t, args...)
			if code != 1 || !strings.Contains(stderr, name) {
				t.Errorf("licences %v: exit code %d, %s", args, code, stderr)
			}
		}
		if text, err := os.ReadFile(filepath.Join(tree, document)); err != nil || len(text) > 0 {
			t.Errorf("something was written: %s, %v", text, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		arg  string
		code int
		want string
	}{
		{"--help", 0, "usage: licences"},
		{"all", 2, `"all": there are no arguments`},
		{"--no-such", 2, "flag provided but not defined"},
	} {
		code, stdout, stderr := licences(t, test.arg)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("licences %s: exit code %d, %s%s", test.arg, code, stdout, stderr)
		}
	}
}

func TestCarried(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e", "f"}
	for by, want := range map[string]string{"a b c d e f": "all", "a b c d f": "all but e", "a b c": "a, b, c", "a": "a", "a b d f": "all but c, e"} {
		if got := carried(strings.Fields(by), all); got != want {
			t.Errorf("carried by %s: %q, want %q", by, got, want)
		}
	}
}
