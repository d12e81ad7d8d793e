// Package oci makes images of the OCI format from files, without a container engine. The same files
// give the same digest: nothing in an image depends on when or where it was made.
package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/erpstream/erpstream/tools/images/internal/rootfs"
)

// Layer returns the files as a layer: sorted, with the folders they lie in, all of them root's and
// of 1970.
func Layer(files []rootfs.File) (gcr.Layer, error) {
	var buf bytes.Buffer
	out := tar.NewWriter(&buf)
	for _, folder := range rootfs.Parents(files) {
		if err := out.WriteHeader(header(tar.TypeDir, folder+"/", 0o755, 0)); err != nil {
			return nil, err
		}
	}
	for _, file := range rootfs.Sorted(files) {
		if err := out.WriteHeader(header(tar.TypeReg, file.Path, int64(file.Mode.Perm()), len(file.Body))); err != nil {
			return nil, err
		}
		if _, err := out.Write(file.Body); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}

func header(kind byte, name string, mode int64, size int) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: mode, Size: int64(size), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
}

// Spec says what an image is besides its files.
type Spec struct {
	Platform gcr.Platform
	// Created is the time that the image bears: that of the sources.
	Created time.Time
	// Entrypoint is the absolute path of the program, User whom it runs as.
	Entrypoint, User string
	// Port is what the program listens on by convention, such as 8080/tcp. It opens nothing.
	Port   string
	Labels map[string]string
}

// Image returns the image of the layers, the lowest first.
func Image(spec Spec, layers ...gcr.Layer) (gcr.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := gcr.Time{Time: spec.Created}
	var additions []mutate.Addendum
	for _, layer := range layers {
		additions = append(additions, mutate.Addendum{
			Layer: layer, MediaType: types.OCILayer, History: gcr.History{Created: created, CreatedBy: "erpstream images"},
		})
	}
	img, err := mutate.Append(base, additions...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = spec.Platform.OS, spec.Platform.Architecture, created
	config.Config = gcr.Config{
		User: spec.User, Entrypoint: []string{spec.Entrypoint}, WorkingDir: "/", Labels: spec.Labels,
		Env: []string{"PATH=/usr/bin"}, ExposedPorts: map[string]struct{}{spec.Port: {}},
	}
	return mutate.ConfigFile(img, config)
}

// Size is how large an image is, in bytes.
type Size struct {
	// Compressed is what a registry keeps and a node fetches, Unpacked what a node's disk then holds.
	Compressed, Unpacked int64
}

// SizeOf measures an image.
func SizeOf(img gcr.Image) (size Size, err error) {
	manifest, err := img.Manifest()
	if err != nil {
		return Size{}, err
	}
	layers, err := img.Layers()
	if err != nil {
		return Size{}, err
	}
	size.Compressed = manifest.Config.Size
	for i, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			return Size{}, err
		}
		n, err := io.Copy(io.Discard, content)
		if err != nil {
			return Size{}, err
		}
		size.Compressed += manifest.Layers[i].Size
		size.Unpacked += n
	}
	return size, nil
}
