package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/v1"

	"github.com/erpstream/erpstream/tools/images/internal/program"
)

const usage = `usage: images [flags] [service]...

Makes the container image of each service named, or of all, without a container engine:

  <out>/<service>/                      an OCI layout, tagged with the version, for all platforms
  <out>/<service>.<os>-<arch>.cdx.json  its bill of materials (CycloneDX), which is also in the layout

and prints their digests and sizes. To copy one to a registry:

  crane push <out>/<service> <registry>/erpstream/<service>:<version>

Exit codes: 0 done; 1 failed, or an image is larger than 25 MB; 2 wrong usage.

`

// options are what the command line asks for.
type options struct {
	services      []string
	platforms     []gcr.Platform
	source, out   string
	root          string
	tags, ldflags string
	release       release
	json          bool
}

// release is the state of the sources that goes into the images.
type release struct {
	version, revision string
	created           time.Time
}

func (o options) tree(progress io.Writer) program.Tree {
	ldflags := strings.TrimSpace(o.ldflags)
	return program.Tree{Dir: o.source, Tags: o.tags, LDFlags: ldflags, Progress: progress}
}

// parse reads the command line; --help prints to stdout and is flag.ErrHelp.
func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	var platforms, created string
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&platforms, "platform", "linux/amd64,linux/arm64", "`platforms` to build for, separated by commas")
	flags.StringVar(&o.out, "out", "build/images", "`folder` for the images")
	flags.StringVar(&o.release.version, "version", "", "`version` of the images and their tag (default: what git describe says)")
	flags.StringVar(&o.release.revision, "revision", "", "`commit` that the images are made from (default: what git says)")
	flags.StringVar(&created, "created", "", "`time` of the commit, such as 2026-01-31T08:00:00Z (default: what git says)")
	flags.StringVar(&o.tags, "tags", "", "build `tags`, as for go build")
	flags.StringVar(&o.ldflags, "ldflags", "", "`flags` of the linker, as for go build")
	flags.StringVar(&o.source, "source", ".", "`folder` of the source tree")
	flags.StringVar(&o.root, "root", "", "write the files of one service's image into a `folder`, and make no image (for Dockerfiles)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, misuse{err}
	}
	o.services = flags.Args()
	return o, o.check(platforms, created)
}

// tag is what the OCI specification takes as a tag.
var tag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// check reads what has a form of its own.
func (o *options) check(platforms, created string) error {
	for text := range strings.SplitSeq(platforms, ",") {
		platform, err := gcr.ParsePlatform(strings.TrimSpace(text))
		if err != nil || platform.OS != "linux" || platform.Architecture == "" || platform.Variant != "" {
			return misuse{fmt.Errorf("--platform %q is none like linux/amd64", text)}
		}
		o.platforms = append(o.platforms, *platform)
	}
	if o.release.version != "" && !tag.MatchString(o.release.version) {
		return misuse{fmt.Errorf("--version %q can't be the tag of an image: letters, digits, '.', '_' and '-', at most 128", o.release.version)}
	}
	if created != "" {
		at, err := time.Parse(time.RFC3339, created)
		if err != nil {
			return misuse{fmt.Errorf("--created %q is no time like 2026-01-31T08:00:00Z", created)}
		}
		o.release.created = at.UTC()
	}
	if o.root != "" && (len(o.services) != 1 || len(o.platforms) != 1) {
		return misuse{errors.New("--root takes one service and one --platform")}
	}
	return nil
}

// released completes the release with what git knows of the sources.
func released(ctx context.Context, o options) (release, error) {
	r := o.release
	ask := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", o.source}, args...)...).Output() //nolint:gosec // the folder is the operator's
		if err != nil {
			return "", fmt.Errorf("git %s: %w: without git give --version, --revision and --created", args[0], err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	var err error
	if r.version == "" {
		if r.version, err = ask("describe", "--tags", "--match", "v[0-9]*", "--always", "--dirty"); err != nil {
			return r, err
		}
	}
	if r.revision == "" {
		if r.revision, err = ask("rev-parse", "HEAD"); err != nil {
			return r, err
		}
	}
	if r.created.IsZero() {
		at, err := ask("log", "-1", "--format=%cI")
		if err != nil {
			return r, err
		}
		if r.created, err = time.Parse(time.RFC3339, at); err != nil {
			return r, fmt.Errorf("time of the commit: %w", err)
		}
		r.created = r.created.UTC()
	}
	return r, nil
}
