package oci_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/erpstream/erpstream/tools/images/internal/oci"
	"github.com/erpstream/erpstream/tools/images/internal/rootfs"
)

const document = "application/vnd.test+json"

var files = []rootfs.File{{Path: "usr/bin/hello", Mode: 0o755, Body: []byte("binary")}, {Path: "etc/passwd", Mode: 0o644, Body: []byte("root")}}

func TestLayer(t *testing.T) {
	layer, err := oci.Layer(files)
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for in := tar.NewReader(content); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d:%d %d %d", h.Name, h.Mode, h.Uid, h.Gid, h.Size, h.ModTime.Unix()))
	}
	want := "etc/ 755 0:0 0 0\nusr/ 755 0:0 0 0\nusr/bin/ 755 0:0 0 0\netc/passwd 644 0:0 4 0\nusr/bin/hello 755 0:0 6 0"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("layer has\n%s\nwant\n%s", text, want)
	}
	turned := slices.Clone(files)
	slices.Reverse(turned)
	if first, second := digest(t, layer), digest(t, must(oci.Layer(turned))(t)); first != second {
		t.Errorf("the order of files makes another layer: %s, %s", first, second)
	}
}

func TestImage(t *testing.T) {
	layer := must(oci.Layer(files))(t)
	img := image(t, "amd64", layer)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	if config.OS != "linux" || config.Architecture != "amd64" || c.User != "65532:65532" || strings.Join(c.Entrypoint, " ") != "/usr/bin/hello" ||
		c.Labels["title"] != "hello" || len(c.ExposedPorts) != 1 || !config.Created.Equal(time.Unix(86400, 0)) {
		t.Errorf("config %+v", config)
	}
	size, err := oci.SizeOf(img)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := layer.Size()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := img.RawConfigFile(); err != nil || size.Compressed != stored+int64(len(raw)) {
		t.Errorf("compressed %d, want the layer's %d and the configuration's %d (%v)", size.Compressed, stored, len(raw), err)
	}
	if size.Unpacked%512 != 0 || size.Unpacked < 5*512 {
		t.Errorf("unpacked %d, want that of a tar of five entries", size.Unpacked)
	}
}

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	var parts []oci.Part
	for _, arch := range []string{"amd64", "arm64"} {
		img := image(t, arch, must(oci.Layer(files))(t))
		sbom := must(oci.Artifact(img, []byte(`{"of":"`+arch+`"}`), document))(t)
		parts = append(parts, oci.Part{Platform: gcr.Platform{OS: "linux", Architecture: arch}, Image: img, SBOM: sbom})
	}
	index := must(oci.Index(parts, map[string]string{"title": "hello"}))(t)
	for range 2 { // the second replaces the first
		if err := oci.Write(dir, index, "v1.2.3"); err != nil {
			t.Fatal(err)
		}
	}
	top := must(layout.ImageIndexFromPath(dir))(t)
	if err := validate.Index(top); err != nil {
		t.Error(err)
	}
	entries := must(top.IndexManifest())(t).Manifests
	if len(entries) != 1 || entries[0].Digest != digest(t, index) || entries[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3" {
		t.Fatalf("layout has %+v, want the index alone, by its tag", entries)
	}
	manifest := must(must(top.ImageIndex(entries[0].Digest))(t).IndexManifest())(t)
	var got []string
	for _, m := range manifest.Manifests {
		got = append(got, m.Platform.String())
	}
	if manifest.Annotations["title"] != "hello" || strings.Join(got, " ") != "linux/amd64 linux/arm64 unknown/unknown unknown/unknown" {
		t.Errorf("index %+v of %v", manifest.Annotations, got)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside the layout: %v, %v", left, err)
	}
}

// What is attached names the image that it is about, so that registries list it as a referrer.
func TestArtifact(t *testing.T) {
	img := image(t, "amd64", must(oci.Layer(files))(t))
	sbom := must(oci.Artifact(img, []byte("{}"), document))(t)
	m := must(sbom.Manifest())(t)
	if m.Subject == nil || m.Subject.Digest != digest(t, img) || m.ArtifactType != document {
		t.Errorf("manifest %+v", m)
	}
	if m.Config.MediaType != "application/vnd.oci.empty.v1+json" || len(m.Layers) != 1 || m.Layers[0].MediaType != types.MediaType(document) {
		t.Errorf("config %s, layers %+v", m.Config.MediaType, m.Layers)
	}
}

func TestWriteSparesOtherFolders(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := oci.Write(dir, must(oci.Index(nil, nil))(t), "v1")
	if err == nil || !strings.Contains(err.Error(), dir+" is there and no OCI layout") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(source); err != nil {
		t.Error(err)
	}
}

func image(t *testing.T, arch string, layers ...gcr.Layer) gcr.Image {
	t.Helper()
	return must(oci.Image(oci.Spec{
		Platform: gcr.Platform{OS: "linux", Architecture: arch}, Created: time.Unix(86400, 0).UTC(), Entrypoint: "/usr/bin/hello",
		User: rootfs.User, Port: "8080/tcp", Labels: map[string]string{"title": "hello"},
	}, layers...))(t)
}

func digest(t *testing.T, of interface{ Digest() (gcr.Hash, error) }) gcr.Hash {
	t.Helper()
	return must(of.Digest())(t)
}

// must returns what was made, or ends the test.
func must[T any](made T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
}
