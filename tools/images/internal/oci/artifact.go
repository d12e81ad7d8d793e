package oci

import (
	"encoding/json"
	"fmt"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// emptyConfig is the configuration of what is no image, as the OCI specification wants it.
const (
	emptyConfig     = "{}"
	emptyConfigType = types.MediaType("application/vnd.oci.empty.v1+json")
)

// artifact is a document that says something of an image. Registries list it as a referrer of that
// image.
type artifact struct {
	manifest []byte
	layer    gcr.Layer
}

// Artifact returns a document of the media type as an artifact whose subject is the image.
func Artifact(subject gcr.Image, document []byte, mediaType string) (gcr.Image, error) {
	about, err := partial.Descriptor(subject)
	if err != nil {
		return nil, err
	}
	layer := static.NewLayer(document, types.MediaType(mediaType))
	content, err := partial.Descriptor(layer)
	if err != nil {
		return nil, err
	}
	config, err := partial.Descriptor(static.NewLayer([]byte(emptyConfig), emptyConfigType))
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(gcr.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: mediaType,
		Config: *config, Layers: []gcr.Descriptor{*content}, Subject: about,
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(artifact{manifest, layer})
}

// RawConfigFile, MediaType, RawManifest and LayerByDigest are what go-containerregistry wants to know.
func (a artifact) RawConfigFile() ([]byte, error) { return []byte(emptyConfig), nil }

func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

func (a artifact) LayerByDigest(digest gcr.Hash) (partial.CompressedLayer, error) {
	if own, err := a.layer.Digest(); err != nil || own != digest {
		return nil, fmt.Errorf("no layer %s", digest)
	}
	return a.layer, nil
}
