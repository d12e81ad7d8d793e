// Command k8s checks the Kubernetes manifests of erpstream without a cluster: every overlay is built as kustomize
// does, each object is held against its schema, each pod against the Pod Security Standard "restricted", and all of
// it against the rules of the house. With verify a real API server takes them, on this machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

// Exit codes, as --help names them.
const (
	exitFaults  = 1
	exitMisused = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

// run checks overlays and returns the exit code: faults go to out, what kept it from checking to errOut.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) > 0 && args[0] == "verify" {
		return runVerify(ctx, args[1:], out, errOut)
	}
	flags := flag.NewFlagSet("k8s", flag.ContinueOnError)
	flags.SetOutput(errOut)
	root := flags.String("root", ".", "root of the repository")
	rendered := flags.Bool("render", false, "check nothing; print the objects of the overlays as JSON, one a line")
	flags.Usage = func() {
		fmt.Fprint(errOut, `Usage: k8s [-root DIR] [-render] [OVERLAY...]
       k8s verify [-root DIR] [-apply] [-json] [OVERLAY...]

Checks the overlays with those names, or all in k8s/overlays, and prints a line for each; a fault is named with
overlay, object and field. Exit codes: 0 well, 1 faults, 2 wrong usage, or the check could not be made.

k8s verify has a kube-apiserver on this machine take them: k8s verify -help.

`)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitMisused
	}
	work := checkAll
	if *rendered {
		work = render
	}
	good, err := work(ctx, *root, flags.Args(), out)
	switch {
	case err != nil:
		fmt.Fprintln(errOut, "k8s:", err)
		return exitMisused
	case !good:
		return exitFaults
	}
	return 0
}

// checkAll checks the named overlays, all without names, and prints what it finds. The error says why it could
// not look.
func checkAll(ctx context.Context, root string, names []string, out io.Writer) (good bool, err error) {
	folders, err := overlays(root, names)
	if err != nil {
		return false, err
	}
	c, err := newChecker(ctx, root)
	if err != nil {
		return false, err
	}
	good = true
	for _, folder := range folders {
		objects, err := build(folder)
		faults := []fault{{text: fmt.Sprint(err)}}
		if err == nil {
			faults, err = c.check(ctx, objects)
			if err != nil {
				return false, err
			}
		}
		report(out, rel(root, folder), fmt.Sprintf("%d objects", len(objects)), faults)
		good = good && len(faults) == 0
	}
	return good, nil
}

// render prints what is applied, for programs that take it further.
func render(_ context.Context, root string, names []string, out io.Writer) (good bool, err error) {
	folders, err := overlays(root, names)
	if err != nil {
		return false, err
	}
	enc := json.NewEncoder(out)
	for _, folder := range folders {
		objects, err := build(folder)
		if err != nil {
			return false, err
		}
		for _, o := range objects {
			if err := enc.Encode(o.Object); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// overlays returns the folders of overlays by their names.
func overlays(root string, names []string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(root, "k8s", "overlays", "*", "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var folders, known []string
	for _, file := range found {
		folder := filepath.Dir(file)
		known = append(known, filepath.Base(folder))
		if len(names) == 0 || slices.Contains(names, filepath.Base(folder)) {
			folders = append(folders, folder)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no overlay %q in %s: there are %v", name, filepath.Join(root, "k8s", "overlays"), known)
		}
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("no overlays in %s", filepath.Join(root, "k8s", "overlays"))
	}
	return folders, nil
}

// report prints one line for a good overlay, with what was checked of it, and a line for each fault of another.
func report(out io.Writer, overlay, checked string, faults []fault) {
	if len(faults) == 0 {
		fmt.Fprintf(out, "ok    %s: %s\n", overlay, checked)
		return
	}
	for _, f := range faults {
		fmt.Fprintf(out, "%s: %s\n", overlay, f)
	}
	fmt.Fprintf(out, "FAIL  %s, faults: %d\n", overlay, len(faults))
}

// rel is a path as people know it.
func rel(root, path string) string {
	if short, err := filepath.Rel(root, path); err == nil {
		return short
	}
	return path
}
