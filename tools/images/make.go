package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/tools/images/internal/oci"
	"github.com/erpstream/erpstream/tools/images/internal/program"
	"github.com/erpstream/erpstream/tools/images/internal/rootfs"
	"github.com/erpstream/erpstream/tools/images/internal/sbom"
)

// repository is where the sources are.
const repository = "https://github.com/erpstream/erpstream"

// port is where services answer /healthz, /readyz and /metrics by convention (LISTEN=:8080). An image
// only documents it.
const port = "8080/tcp"

// maker makes images out of binaries.
type maker struct {
	shipped
	release release
	// bin has the binaries, by platform and service; out takes the images.
	bin, out string
	base     gcr.Layer
}

// writeRoot writes the files of one image.
func writeRoot(ctx context.Context, tree program.Tree, s shipped, opts options) error {
	bin, err := os.MkdirTemp("", "images-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if err := tree.Build(ctx, s.services, opts.platforms[0], filepath.Join(bin, folder(opts.platforms[0]))); err != nil {
		return err
	}
	own, _, err := maker{shipped: s, bin: bin}.files(s.services[0], opts.platforms[0])
	if err != nil {
		return err
	}
	base, err := rootfs.Base()
	if err != nil {
		return err
	}
	return rootfs.Write(opts.root, slices.Concat(base, own))
}

// makeImages builds the services for each platform and writes their images.
func makeImages(ctx context.Context, tree program.Tree, s shipped, opts options, progress io.Writer) (report, error) {
	if err := os.MkdirAll(opts.out, 0o755); err != nil {
		return report{}, err
	}
	bin, err := os.MkdirTemp(opts.out, ".binaries-*")
	if err != nil {
		return report{}, err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	for _, platform := range opts.platforms {
		begin := time.Now()
		if err := tree.Build(ctx, s.services, platform, filepath.Join(bin, folder(platform))); err != nil {
			return report{}, err
		}
		fmt.Fprintf(progress, "built %d services for %s in %.1fs\n", len(s.services), platform, time.Since(begin).Seconds())
	}
	files, err := rootfs.Base()
	if err != nil {
		return report{}, err
	}
	m := maker{shipped: s, release: opts.release, bin: bin, out: opts.out}
	if m.base, err = oci.Layer(files); err != nil {
		return report{}, err
	}
	r := report{
		Version: m.release.version, Revision: m.release.revision, Created: m.release.created, Go: s.toolchain.Version,
		Images: make([]image, len(s.services)),
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, service := range s.services {
		g.Go(func() (err error) {
			r.Images[i], err = m.image(service, opts.platforms)
			if err != nil {
				return fmt.Errorf("image of %s: %w", service.Name, err)
			}
			return nil
		})
	}
	return r, g.Wait()
}

// image writes the image of one service for all platforms.
func (m maker) image(service program.Service, platforms []gcr.Platform) (image, error) {
	made := image{
		Service: service.Name, Layout: filepath.Join(m.out, service.Name),
		Reference: "oci:" + filepath.Join(m.out, service.Name) + ":" + m.release.version,
	}
	if err := m.forget(service); err != nil {
		return image{}, err
	}
	var parts []oci.Part
	for _, platform := range platforms {
		part, variant, err := m.part(service, platform)
		if err != nil {
			return image{}, err
		}
		parts = append(parts, part)
		made.Platforms = append(made.Platforms, variant)
	}
	index, err := oci.Index(parts, m.labels(service))
	if err != nil {
		return image{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return image{}, err
	}
	made.Digest = digest.String()
	return made, oci.Write(made.Layout, index, m.release.version)
}

// forget removes the bills of materials of earlier images: their platforms need not be those of this one.
func (m maker) forget(service program.Service) error {
	old, err := filepath.Glob(filepath.Join(m.out, service.Name+".*.cdx.json"))
	for _, file := range old {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// part makes the image of one service for one platform, and writes its bill of materials.
func (m maker) part(service program.Service, platform gcr.Platform) (oci.Part, variant, error) {
	files, info, err := m.files(service, platform)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	own, err := oci.Layer(files)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	img, err := oci.Image(oci.Spec{
		Platform: platform, Created: m.release.created, User: rootfs.User, Port: port,
		Entrypoint: "/" + rootfs.Binary(service.Name), Labels: m.labels(service),
	}, m.base, own)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	size, err := oci.SizeOf(img)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	made := variant{
		Platform: platform.String(), Digest: digest.String(), Compressed: size.Compressed, Unpacked: size.Unpacked,
		SBOM: filepath.Join(m.out, service.Name+"."+folder(platform)+".cdx.json"),
	}
	document, err := m.document(service, made, info)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	artifact, err := oci.Artifact(img, document, sbom.MediaType)
	if err != nil {
		return oci.Part{}, variant{}, err
	}
	return oci.Part{Platform: platform, Image: img, SBOM: artifact}, made, os.WriteFile(made.SBOM, document, 0o644)
}

// files returns those of a service's own layer, and what its binary says of itself.
func (m maker) files(service program.Service, platform gcr.Platform) ([]rootfs.File, *debug.BuildInfo, error) {
	binary, err := os.ReadFile(filepath.Join(m.bin, folder(platform), service.Name)) //nolint:gosec // names of services, which are folders of the tree
	if err != nil {
		return nil, nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, nil, err
	}
	var terms []rootfs.Terms
	licences := m.licences[build{service.Name, platform.String()}]
	for _, module := range slices.Insert(sbom.Modules(info), 0, m.toolchain.String()) {
		l, ok := licences[module]
		if !ok {
			return nil, nil, fmt.Errorf("%s is in the binary, and not among the modules that go list names", module)
		}
		terms = append(terms, rootfs.Terms{Module: module, Licence: l.Expression(), Texts: l.Texts})
	}
	return rootfs.Program(service.Name, binary, m.own, rootfs.ThirdParties(terms)), info, nil
}

// document returns the bill of materials of an image.
func (m maker) document(service program.Service, made variant, info *debug.BuildInfo) ([]byte, error) {
	img := sbom.Image{
		Name: service.Name, Description: service.Description, Version: m.release.version, Created: m.release.created,
		Platform: made.Platform, Digest: made.Digest, Package: info.Path, Licence: ownLicence,
		Components: []sbom.Component{certificates()},
	}
	licences := m.licences[build{service.Name, made.Platform}]
	for _, module := range slices.Insert(sbom.Modules(info), 0, m.toolchain.String()) {
		name, version, _ := strings.Cut(module, "@")
		img.Components = append(img.Components, sbom.Component{Name: name, Version: version, Licence: licences[module].Expression()})
	}
	return sbom.Document(img)
}

// certificates is the bundle in all images. Its version is in this program, which it is linked into.
func certificates() sbom.Component {
	c := sbom.Component{Name: rootfs.Certificates, Licence: "MPL-2.0", Data: true}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == c.Name {
				c.Version = m.Version
			}
		}
	}
	return c
}

// labels describe an image.
func (m maker) labels(service program.Service) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":       service.Name,
		prefix + "description": service.Description,
		prefix + "version":     m.release.version,
		prefix + "revision":    m.release.revision,
		prefix + "created":     m.release.created.Format(time.RFC3339),
		prefix + "source":      repository,
		prefix + "licenses":    ownLicence,
	}
}

// folder names a platform in file names.
func folder(platform gcr.Platform) string { return platform.OS + "-" + platform.Architecture }
