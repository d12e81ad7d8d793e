package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/tools/images/internal/treetest"
)

// of gives a release to sources that are not in git.
var of = []string{"--version", "v1.2.3", "--revision", "0123abc", "--created", "2026-01-31T08:00:00Z"}

// images runs the command, and returns its exit code and what it printed.
func images(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = execute(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

// made makes images of the tree and returns the report.
func made(t *testing.T, tree string, args ...string) report {
	t.Helper()
	args = slices.Concat(of, []string{"--json", "--source", tree, "--out", filepath.Join(t.TempDir(), "out")}, args)
	code, stdout, stderr := images(t, args...)
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	return r
}

// The house's own sources, from two folders: a service has the same digest, and so has what is attached.
func TestSameDigest(t *testing.T) {
	flags := []string{"--platform", "linux/amd64", "--tags", "grpcnotrace",
		"--ldflags", "-s -w -X github.com/erpstream/erpstream/pkg/service.version=v1.2.3", "sink-reference"}
	first := made(t, checkout(t, "one"), flags...).Images[0]
	second := made(t, checkout(t, "a/much/longer/path/of/the/same"), flags...).Images[0]
	if first.Digest != second.Digest || first.Digest == "" {
		t.Errorf("digests %s and %s", first.Digest, second.Digest)
	}
	size := first.Platforms[0]
	if size.Compressed < 3*mega || size.Compressed > limit || size.Unpacked < 2*size.Compressed {
		t.Errorf("size %+v", size)
	}
}

// checkout copies the sources that a service is made of.
func checkout(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join("..", "..")
	to := filepath.Join(t.TempDir(), name)
	for _, part := range []string{"go.work", "go.work.sum", "LICENSE", "pkg", "proto", "services"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, rel), text, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestImages(t *testing.T) {
	tree := treetest.New(t, treetest.MIT)
	r := made(t, tree, "--platform", "linux/amd64,linux/arm64")
	if r.Version != "v1.2.3" || r.Revision != "0123abc" || !strings.HasPrefix(r.Go, "go1.") || len(r.Images) != 1 {
		t.Fatalf("report %+v", r)
	}
	hello := r.Images[0]
	if hello.Service != "hello" || hello.Reference != "oci:"+hello.Layout+":v1.2.3" || len(hello.Platforms) != 2 {
		t.Errorf("image %+v", hello)
	}
	for i, platform := range []string{"linux/amd64", "linux/arm64"} {
		v := hello.Platforms[i]
		sbom, err := os.ReadFile(v.SBOM)
		if v.Platform != platform || err != nil {
			t.Errorf("variant %+v, %v", v, err)
		}
		for _, want := range []string{v.Digest, platform, "pkg:golang/example.com/greeting@v1.0.0", `"id": "MIT"`, "pkg:golang/stdlib@1."} {
			if !strings.Contains(string(sbom), want) {
				t.Errorf("bill of materials of %s has no %s:\n%s", platform, want, sbom)
			}
		}
	}
	if again := made(t, tree, "--platform", "linux/amd64", "--out", filepath.Dir(hello.Layout)).Images[0]; again.Layout != hello.Layout {
		t.Errorf("made again as %+v", again)
	}
	if _, err := os.Stat(hello.Platforms[1].SBOM); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bill of materials of a platform that was not made again: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(hello.Layout), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What else is made in the same run does not show in an image.
func TestAloneAndTogether(t *testing.T) {
	tree := treetest.New(t, treetest.MIT)
	alone := made(t, tree, "--platform", "linux/amd64").Images[0].Platforms[0]
	treetest.Another(t, tree)
	r := made(t, tree, "--platform", "linux/arm64,linux/amd64")
	if len(r.Images) != 2 || r.Images[1].Service != "hello" {
		t.Fatalf("images %+v", r.Images)
	}
	if together := r.Images[1].Platforms[1]; together.Digest != alone.Digest {
		t.Errorf("digests %s alone, %s together", alone.Digest, together.Digest)
	}
}

func TestTable(t *testing.T) {
	r := report{Version: "v1.2.3", Go: "go1.26.8", Images: []image{{Service: "hello", Digest: "sha256:1", Platforms: []variant{
		{Platform: "linux/amd64", Digest: "sha256:2", Compressed: 25_000_001, Unpacked: 61_200_000},
	}}}}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	want := "SERVICE  PLATFORM     COMPRESSED  UNPACKED  DIGEST\n" +
		"hello    all                                sha256:1\n" +
		"         linux/amd64  25.0 MB     61.2 MB   sha256:2\n" +
		"\nversion v1.2.3 of 0001-01-01T00:00:00Z, with go1.26.8\n"
	if out.String() != want {
		t.Errorf("table\n%s\nwant\n%s", out.String(), want)
	}
	if err := r.tooLarge(); err == nil || !strings.Contains(err.Error(), "image of hello for linux/amd64: 25.0 MB compressed") {
		t.Errorf("error %v, want one that names the image", err)
	}
	r.Images[0].Platforms[0].Compressed--
	if err := r.tooLarge(); err != nil {
		t.Error(err)
	}
}

func TestRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	code, _, stderr := images(t, "--source", treetest.New(t, treetest.MIT), "--root", root, "--platform", "linux/amd64", "hello")
	if code != 0 {
		t.Fatal(stderr)
	}
	terms, err := os.ReadFile(filepath.Join(root, "licenses/third-parties.txt"))
	if err != nil || !strings.Contains(string(terms), "example.com/greeting@v1.0.0: MIT") || !strings.Contains(string(terms), "Words by somebody") {
		t.Errorf("terms %s, %v", terms, err)
	}
	for _, name := range []string{"usr/bin/hello", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "licenses/LICENSE"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestRefused(t *testing.T) {
	nameless, zoneless := treetest.New(t, ""), treetest.New(t, treetest.MIT)
	treetest.Write(t, filepath.Join(zoneless, "services/hello/main.go"), treetest.Main(`_ "time"`))
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--source " + zoneless, 1, `services/hello finds no time zone in its image, which has no zone files: import _ "time/tzdata" in services/hello/main.go`},
		{"--source " + nameless, 1, "licence of example.com/greeting@v1.0.0: " + nameless + "/third/greeting has no licence file"},
		{"--source " + nameless + " hallo", 1, `no service "hallo": there are hello`},
		{"--source " + t.TempDir(), 1, "run this at the top of the source tree, or name it with --source"},
		{"--platform linux", 2, `--platform "linux" is none like linux/amd64`},
		{"--platform darwin/arm64", 2, `--platform "darwin/arm64" is none like linux/amd64`},
		{"--version pkg/v1", 2, `--version "pkg/v1" can't be the tag of an image`},
		{"--created today", 2, `--created "today" is no time like 2026-01-31T08:00:00Z`},
		{"--root x hello", 2, "--root takes one service and one --platform"},
		{"--no-such", 2, "flag provided but not defined: -no-such"},
	} {
		code, stdout, stderr := images(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("images %s: exit code %d, %s%s\nwant %d, %s", test.args, code, stdout, stderr, test.code, test.want)
		}
	}
}

func TestWithoutGit(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	code, _, stderr := images(t, "--source", treetest.New(t, treetest.MIT), "--out", t.TempDir())
	if code != 1 || !strings.Contains(stderr, "without git give --version, --revision and --created") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestHelp(t *testing.T) {
	code, stdout, stderr := images(t, "--help")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "usage: images") || !strings.Contains(stdout, "-platform") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
