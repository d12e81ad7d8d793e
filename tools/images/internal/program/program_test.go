package program_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/v1"

	"github.com/erpstream/erpstream/tools/images/internal/program"
	"github.com/erpstream/erpstream/tools/images/internal/treetest"
)

var (
	amd64 = gcr.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = gcr.Platform{OS: "linux", Architecture: "arm64"}
)

func TestServices(t *testing.T) {
	tree := program.Tree{Dir: treetest.New(t, treetest.MIT), Progress: io.Discard}
	services, err := tree.Services(t.Context(), nil, arm64)
	if err != nil {
		t.Fatal(err)
	}
	if len(services) != 1 {
		t.Fatalf("services %v, want one", services)
	}
	hello := services[0]
	if hello.Name != "hello" || hello.Description != "Command hello greets, politely." || !hello.Zones {
		t.Errorf("service %+v", hello)
	}
	folder := filepath.Join(tree.Dir, "third/greeting")
	if len(hello.Modules) != 1 || hello.Modules[0].String() != "example.com/greeting@v1.0.0" || hello.Modules[0].Dir != folder ||
		len(hello.Modules[0].Folders) != 1 || hello.Modules[0].Folders[0] != folder {
		t.Errorf("modules %+v, want greeting once, in %s", hello.Modules, folder)
	}
}

func TestServicesRefused(t *testing.T) {
	dir := treetest.New(t, treetest.MIT)
	for _, test := range []struct{ dir, service, want string }{
		{dir, "helo", `no service "helo": there are hello`},
		{t.TempDir(), "", "has no services/*/main.go"},
	} {
		var names []string
		if test.service != "" {
			names = []string{test.service}
		}
		_, err := program.Tree{Dir: test.dir, Progress: io.Discard}.Services(t.Context(), names, amd64)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

func TestUnion(t *testing.T) {
	modules, carriers := program.Union([]program.Service{
		{Name: "a", Modules: []program.Module{{Path: "x", Folders: []string{"x/2"}}, {Path: "y"}}},
		{Name: "b", Modules: []program.Module{{Path: "x", Folders: []string{"x/1", "x/2"}}}},
		{Name: "a", Modules: []program.Module{{Path: "x", Folders: []string{"x/3"}}}}, // on another platform
	})
	if len(modules) != 2 || modules[0].Path != "x" || strings.Join(modules[0].Folders, " ") != "x/1 x/2 x/3" {
		t.Errorf("modules %+v", modules)
	}
	if strings.Join(carriers["x"], " ") != "a b" || strings.Join(carriers["y"], " ") != "a" {
		t.Errorf("carriers %v", carriers)
	}
}

// What a user has set for other builds must not change what is built, nor where the tree lies.
func TestBuild(t *testing.T) {
	build := func() []byte {
		out := t.TempDir()
		tree := program.Tree{Dir: treetest.New(t, treetest.MIT), LDFlags: "-s -w -X main.version=v1", Progress: io.Discard}
		if err := tree.Build(t.Context(), []program.Service{{Name: "hello"}}, amd64, out); err != nil {
			t.Fatal(err)
		}
		binary, err := os.ReadFile(filepath.Join(out, "hello"))
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	first := build()
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOARCH", "arm64")
	t.Setenv("GOWORK", "off")
	if !bytes.Equal(first, build()) {
		t.Error("another environment and folder gave another binary")
	}
}

func TestBuildFails(t *testing.T) {
	tree := program.Tree{Dir: treetest.New(t, treetest.MIT), Progress: io.Discard}
	treetest.Write(t, filepath.Join(tree.Dir, "services/hello/main.go"), treetest.Main(`"no/such"`))
	err := tree.Build(t.Context(), []program.Service{{Name: "hello"}}, amd64, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "main.go:6:2: package no/such is not in std") {
		t.Errorf("error %v, want file, line and package", err)
	}
}
