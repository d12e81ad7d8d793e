// Command images makes the container images of the services, without a container engine: for each
// service an OCI layout with an image for each platform and its bill of materials. The same sources
// and version of Go give the same digests on every machine.
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
	"syscall"
)

// Exit codes, which --help names.
const (
	exitFailed  = 1
	exitMisused = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

// execute runs the command and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stdout)
	if err == nil {
		err = run(ctx, opts, stdout, stderr)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case isMisuse(err):
		fmt.Fprintf(stderr, "images: %v\nSee images --help\n", err)
		return exitMisused
	default:
		fmt.Fprintf(stderr, "images: %v\n", err)
		return exitFailed
	}
}

// misuse is an error in the arguments.
type misuse struct{ error }

func isMisuse(err error) bool {
	_, wrong := errors.AsType[misuse](err)
	return wrong
}

// run makes what the options ask for.
func run(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	tree := opts.tree(stderr)
	shipped, err := survey(ctx, tree, opts)
	if err != nil {
		return err
	}
	if opts.root != "" {
		return writeRoot(ctx, tree, shipped, opts)
	}
	if opts.release, err = released(ctx, opts); err != nil {
		return err
	}
	report, err := makeImages(ctx, tree, shipped, opts, stderr)
	if err != nil {
		return err
	}
	if opts.json {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		err = enc.Encode(report)
	} else {
		err = report.print(stdout)
	}
	return errors.Join(err, report.tooLarge())
}
