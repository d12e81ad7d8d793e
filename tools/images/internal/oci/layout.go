package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation by which tools find an image in a layout: its tag.
const refName = "org.opencontainers.image.ref.name"

// Part is the image of one platform, and what is attached to it.
type Part struct {
	Platform gcr.Platform
	Image    gcr.Image
	// SBOM is an artifact about Image.
	SBOM gcr.Image
}

// Index returns the image for several platforms. The artifacts are in it too, so that they are copied
// with it; they are marked, as BuildKit does, so that nobody takes them for an image to run.
func Index(parts []Part, annotations map[string]string) (gcr.ImageIndex, error) {
	var images, documents []mutate.IndexAddendum
	for _, part := range parts {
		digest, err := part.Image.Digest()
		if err != nil {
			return nil, err
		}
		platform := part.Platform
		images = append(images, mutate.IndexAddendum{Add: part.Image, Descriptor: gcr.Descriptor{Platform: &platform}})
		documents = append(documents, mutate.IndexAddendum{Add: part.SBOM, Descriptor: gcr.Descriptor{
			Platform: &gcr.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest.String(),
			},
		}})
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	index = mutate.AppendManifests(index, append(images, documents...)...)
	annotated, ok := mutate.Annotations(index, annotations).(gcr.ImageIndex)
	if !ok {
		return nil, errors.New("an index with annotations is no index")
	}
	return annotated, nil
}

// Write makes dir an OCI layout with the index as its only image, by the name of tag. What was in dir
// is replaced when all is written; a folder that is no layout is an error.
func Write(dir string, index gcr.ImageIndex, tag string) error {
	if _, err := os.Stat(dir); err == nil {
		if _, err := layout.FromPath(dir); err != nil {
			return fmt.Errorf("%s is there and no OCI layout: remove it, or take another folder with --out", dir)
		}
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	path, err := layout.Write(fresh, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: tag})); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}
