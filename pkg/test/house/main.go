//go:build linux

// Command house runs erpstream as Kubernetes would, from the images and the manifests of production: each pod in
// a network namespace of its own under its network policies, in a read-only root without capabilities, on three
// NATS servers with TLS and the permissions that erpstream writes for them. It sends documents through all flows,
// kills a node of NATS and a replica of each service meanwhile, and compares the targets with the source.
//
// It needs root, and namespaces of its own, which tools/house.sh gives it: all that it makes ends with it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// containMode is the mode in which this program becomes a container.
const containMode = "contain"

// limit bounds a run.
const limit = 10 * time.Minute

func main() {
	if len(os.Args) == 3 && os.Args[1] == containMode {
		fmt.Fprintln(os.Stderr, "house:", contain(os.Args[2]))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	production, dev, images, natsServer, dir, json string
	records, edits                                 int
}

func readOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("house", flag.ContinueOnError)
	flags.StringVar(&o.production, "production", "", "file with the rendered overlay")
	flags.StringVar(&o.dev, "dev", "", "file with the rendered overlay dev, for its sandbox")
	flags.StringVar(&o.images, "images", "build/images", "folder of the images")
	flags.StringVar(&o.natsServer, "nats-server", "", "program")
	flags.StringVar(&o.dir, "dir", "build/house", "folder for what runs, and its logs")
	flags.StringVar(&o.json, "json", "build/house.json", "file for the figures")
	flags.IntVar(&o.records, "records", 300, "documents of each feed")
	flags.IntVar(&o.edits, "edits", 240, "edits of each feed, two a second, while it is polled")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, path := range []*string{&o.production, &o.dev, &o.images, &o.natsServer, &o.dir, &o.json} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

// house is all that runs.
type house struct {
	options
	// manifests are those of production, documents their connections, sources and flows; stored are ConfigMaps and
	// Secrets by name.
	manifests []object
	documents map[string]string
	stored    map[string]map[string]string
	images    map[string]image
	authority authority

	pods                                     []*pod
	nats                                     [3]*pod
	database, vendors, collector, prometheus *pod
	services                                 []*pod
	names                                    []name
	db                                       *sql.DB

	exported atomic.Int64
	fail     context.CancelCauseFunc
	out      io.Writer
	figures  figures
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := readOptions(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	h := &house{
		options: o, images: map[string]image{}, stored: map[string]map[string]string{}, fail: fail, out: out,
		database: &pod{name: "mysql", namespace: internet}, vendors: &pod{name: "vendors", namespace: internet},
		collector: &pod{name: "collector", namespace: "observability"}, prometheus: &pod{name: "prometheus", namespace: "monitoring"},
	}
	began := time.Now()
	err = h.live(ctx, began)
	h.figures.Seconds = time.Since(began).Seconds()
	if err != nil {
		err = errors.Join(err, context.Cause(ctx))
	} else {
		err = h.figures.verdict()
	}
	if len(h.figures.Targets) == 0 {
		return err
	}
	return errors.Join(err, h.figures.print(out, o.json))
}

// live is the whole story.
func (h *house) live(ctx context.Context, began time.Time) error {
	demo, err := h.prepare(ctx)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"network", newNetwork}, {"pods beside ours", h.settle}, {"identities and certificates", h.identities},
		{"three NATS servers", h.startNATS}, {"MariaDB", h.startDatabase}, {"collector", h.startCollector},
		{"vendors", func(ctx context.Context) error { return h.startVendors(ctx, demo) }},
		{"provision", h.provision}, {"services", h.startServices},
		{"trouble", h.trouble}, {"policies hold", h.tryWays}, {"all has arrived", h.arrived}, {"figures", h.measure},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(h.out, "%5.0f s  %s\n", time.Since(began).Seconds(), step.name)
	}
	return nil
}

// prepare reads the manifests and unpacks the images.
func (h *house) prepare(ctx context.Context) (demo []object, err error) {
	if err := os.MkdirAll(filepath.Join(h.dir, "log"), 0o755); err != nil {
		return nil, err
	}
	if h.authority, err = newAuthority(); err != nil {
		return nil, err
	}
	if h.manifests, err = readManifests(h.production); err != nil {
		return nil, err
	}
	if demo, err = readManifests(h.dev); err != nil {
		return nil, err
	}
	layouts, err := filepath.Glob(filepath.Join(h.options.images, "*", "index.json"))
	if err != nil {
		return nil, err
	}
	for _, index := range layouts {
		service := filepath.Base(filepath.Dir(index))
		if h.images[service], err = unpack(ctx, filepath.Dir(index), filepath.Join(h.dir, "images", service)); err != nil {
			return nil, err
		}
	}
	return demo, h.substitute(demo)
}

// provision runs the Job to its end: a container that fails is started again, as often as the Job says.
func (h *house) provision(ctx context.Context) error {
	for _, job := range of("Job", h.manifests) {
		p := &pod{name: "provision", namespace: ours, labels: job.Spec.Template.Metadata.Labels, spec: job.Spec.Template.Spec}
		if err := errors.Join(h.add(ctx, p), h.confine(ctx, p)); err != nil {
			return err
		}
		containers := slices.Concat(p.spec.InitContainers, p.spec.Containers)
		for len(containers) > 0 {
			switch err := h.finish(ctx, p, containers[0]); {
			case err == nil:
				containers = containers[1:]
			case ctx.Err() != nil || h.figures.JobRestarts == job.Spec.BackoffLimit:
				return err
			default:
				h.figures.JobRestarts++
			}
		}
	}
	return nil
}

// finish runs a container to its end.
func (h *house) finish(ctx context.Context, p *pod, c container) error {
	if err := h.start(p, c); err != nil {
		return err
	}
	select {
	case <-p.process.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if p.process.err != nil {
		return fmt.Errorf("%s: %w: %s", c.Name, p.process.err, p.process.lastWords())
	}
	return nil
}

// startServices starts the replicas of each Deployment, all at once, and waits until they are ready.
func (h *house) startServices(ctx context.Context) error {
	for _, o := range of("Deployment", h.manifests) {
		for i := range replicas(o, h.manifests) {
			p := &pod{name: fmt.Sprintf("%s-%d", o.Metadata.Name, i), namespace: ours, labels: o.Spec.Template.Metadata.Labels, spec: o.Spec.Template.Spec}
			if err := errors.Join(h.add(ctx, p), h.confine(ctx, p)); err != nil {
				return err
			}
			h.services = append(h.services, p)
		}
	}
	for _, p := range h.services {
		if err := h.startService(p); err != nil {
			return err
		}
	}
	for _, p := range h.services {
		if err := h.isReady(ctx, p); err != nil {
			return err
		}
		if err := p.process.sealed(p.spec); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) startService(p *pod) error {
	if err := h.start(p, p.spec.Containers[0]); err != nil {
		return err
	}
	h.watch(p.process)
	return nil
}

// isReady waits until the pod's readiness probe succeeds.
func (h *house) isReady(ctx context.Context, p *pod) error {
	probe := p.spec.Containers[0].ReadinessProbe.HTTPGet
	url := fmt.Sprintf("http://%s:%d%s", p.addr, p.spec.port(probe.Port), probe.Path)
	if err := until(ctx, func(ctx context.Context) error { return answers(ctx, url) }); err != nil {
		return fmt.Errorf("%s is not ready: %w: %s", p.name, err, p.process.lastWords())
	}
	return nil
}
