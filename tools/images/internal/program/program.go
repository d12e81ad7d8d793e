// Package program finds and builds what is shipped: the programs below services/ of a source tree.
// It runs the go command in the tree's workspace, so what it builds is what `make build` builds.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	gcr "github.com/google/go-containerregistry/pkg/v1"
)

// Tree is a source tree, and how its programs are built. It is safe for concurrent use.
type Tree struct {
	// Dir is the folder of go.work.
	Dir string
	// Tags and LDFlags are those of go build.
	Tags, LDFlags string
	// Progress takes what the go command says while it works.
	Progress io.Writer
}

// Service is a program of the tree.
type Service struct {
	// Name is its folder below services.
	Name string
	// Description is the first sentence of its package comment.
	Description string
	// Zones says that the program brings the time zones along: images have no zone files.
	Zones bool
	// Modules are those of third parties that are linked into it, by path.
	Modules []Module
}

// Module is a module of a third party. The zero version is none.
type Module struct {
	Path, Version string
	// Dir is where its files are, Folders are those below of which a package is linked.
	Dir     string
	Folders []string
}

// String returns path@version.
func (m Module) String() string { return m.Path + "@" + m.Version }

// Services returns the named services, or all for no names, by name and as built for the platform: what
// is linked may differ between platforms. It compiles nothing and needs no network when the modules
// are in the module cache. The error names what the tree does not have.
func (t Tree) Services(ctx context.Context, names []string, platform gcr.Platform) ([]Service, error) {
	all, err := t.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no service %q: there are %s", name, strings.Join(all, ", "))
		}
	}
	if len(names) == 0 {
		names = all
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	out, err := t.goCommand(ctx, platform, slices.Concat(
		[]string{"list", "-deps", "-tags", t.Tags, "-json=ImportPath,Dir,Name,Doc,Deps,Module"}, packages(names))...)
	if err != nil {
		return nil, err
	}
	listed, err := readList(out)
	if err != nil {
		return nil, err
	}
	var services []Service
	for _, name := range names {
		services = append(services, listed.service(name))
	}
	return services, nil
}

// Build writes the services' binaries for a platform into the folder out, each by its name. The same
// tree gives the same bytes wherever it lies and whoever builds it with the same version of Go.
func (t Tree) Build(ctx context.Context, services []Service, platform gcr.Platform, out string) error {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	_, err := t.goCommand(ctx, platform, slices.Concat([]string{
		"build", "-trimpath", "-buildvcs=false", "-tags", t.Tags, "-ldflags", strings.TrimSpace(t.LDFlags + " -buildid="),
		"-o", out + string(filepath.Separator),
	}, packages(names))...)
	return err
}

// Go returns the toolchain that builds, as the module "std" that is linked into every program.
func (t Tree) Go(ctx context.Context) (Module, error) {
	out, err := t.goCommand(ctx, gcr.Platform{}, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return Module{}, err
	}
	version, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return Module{Path: "std", Version: version, Dir: root, Folders: []string{root}}, nil
}

// names returns the folders below services that hold a program.
func (t Tree) names() ([]string, error) {
	mains, err := filepath.Glob(filepath.Join(t.Dir, "services", "*", "main.go"))
	if err != nil {
		return nil, err
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("%s has no services/*/main.go: run this at the top of the source tree, or name it with --source", t.Dir)
	}
	var names []string
	for _, main := range mains {
		names = append(names, filepath.Base(filepath.Dir(main)))
	}
	return names, nil
}

// packages names the services as the go command does.
func packages(names []string) []string {
	var paths []string
	for _, name := range names {
		paths = append(paths, "./services/"+name)
	}
	return paths
}

// goCommand runs the go command in the tree and returns what it prints. What a machine or a user has
// set for other builds does not reach it.
func (t Tree) goCommand(ctx context.Context, platform gcr.Platform, args ...string) ([]byte, error) {
	work, err := filepath.Abs(filepath.Join(t.Dir, "go.work"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.Dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK="+work, "GOAMD64=v1", "GOARM64=v8.0")
	if platform.OS != "" {
		cmd.Env = append(cmd.Env, "GOOS="+platform.OS, "GOARCH="+platform.Architecture)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, io.MultiWriter(&stderr, t.Progress)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, ran := errors.AsType[*exec.ExitError](err); ran {
			err = errors.New(strings.TrimSpace(stderr.String()))
		}
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}
