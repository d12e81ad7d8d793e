// Command licences keeps docs/dependencies.md: every module of a third party that is linked into a
// service, its licence, and the services that carry it. It refuses licences that the house does not
// take, and needs no network when the modules are in the module cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	gcr "github.com/google/go-containerregistry/pkg/v1"

	"github.com/erpstream/erpstream/tools/images/internal/licence"
	"github.com/erpstream/erpstream/tools/images/internal/program"
)

// document is the file that is kept, below the source tree.
const document = "docs/dependencies.md"

const usage = `usage: licences [flags]

Writes ` + document + `: every module of a third party that is linked into a service. Refuses
modules without a known licence, or with one that the house does not take, and then writes nothing.

Exit codes: 0 done; 1 refused, or not current with --check; 2 wrong usage.

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

// execute runs the command and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("licences", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	source := flags.String("source", ".", "`folder` of the source tree")
	tags := flags.String("tags", "", "build `tags`, as for go build")
	check := flags.Bool("check", false, "write nothing, and fail when the file is not current")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return 0
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("%q: there are no arguments", flags.Arg(0))
		fallthrough
	case err != nil:
		fmt.Fprintf(stderr, "licences: %v\nSee licences --help\n", err)
		return 2
	}
	if err := run(ctx, program.Tree{Dir: *source, Tags: *tags, Progress: io.Discard}, *check); err != nil {
		fmt.Fprintf(stderr, "licences: %v\n", err)
		return 1
	}
	return 0
}

// platforms are those that images are made for; what is linked may differ between them.
var platforms = []gcr.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// run writes the document, or compares it with what it would write.
func run(ctx context.Context, tree program.Tree, check bool) error {
	var services []program.Service
	for _, platform := range platforms {
		found, err := tree.Services(ctx, nil, platform)
		if err != nil {
			return err
		}
		services = append(services, found...)
	}
	rows, err := list(services)
	if err != nil {
		return err
	}
	file := filepath.Join(tree.Dir, filepath.FromSlash(document))
	want := render(rows, services)
	if !check {
		return os.WriteFile(file, want, 0o644)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return compare(string(got), string(want))
}

// row is a module in the document.
type row struct {
	module   program.Module
	licence  string
	services []string
}

// list returns the modules with their licences. The error names all that are refused.
func list(services []program.Service) ([]row, error) {
	var rows []row
	var refused error
	modules, carriers := program.Union(services)
	for _, m := range modules {
		terms, err := licence.Of(m.Dir, m.Folders)
		if ids := terms.Refused(); err == nil && len(ids) > 0 {
			err = fmt.Errorf("%s is not among the licences that may be shipped (tools/images/internal/licence/licence.go)", strings.Join(ids, ", "))
		}
		if err != nil {
			refused = errors.Join(refused, fmt.Errorf("%s, linked into %s: %w", m, strings.Join(carriers[m.Path], ", "), err))
		}
		rows = append(rows, row{m, terms.Expression(), carriers[m.Path]})
	}
	return rows, refused
}

// compare says which lines are not as they should be.
func compare(got, want string) error {
	if got == want {
		return nil
	}
	is, should := strings.Split(got, "\n"), strings.Split(want, "\n")
	var lines []string
	for _, line := range is {
		if !slices.Contains(should, line) {
			lines = append(lines, "- "+line)
		}
	}
	for _, line := range should {
		if !slices.Contains(is, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return fmt.Errorf("%s is not current, make licences mends it:\n%s", document, strings.Join(lines, "\n"))
}
