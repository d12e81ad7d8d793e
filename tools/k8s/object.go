package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// object is one manifest: as it was rendered, and as the API server would read it.
type object struct {
	unstructured.Unstructured
	// typed is nil for custom resources, and for what does not fit its type.
	typed runtime.Object
}

func (o object) String() string { return o.GetKind() + "/" + o.GetName() }

// fault is one thing that is wrong, with where it stands.
type fault struct {
	object string // kind/name, "" for the overlay itself
	field  string // "" for the object itself
	text   string
}

func (f fault) String() string {
	var b strings.Builder
	for _, place := range []string{f.object, f.field} {
		if place != "" {
			b.WriteString(place + ": ")
		}
	}
	return b.String() + f.text
}

// faultf is a fault of a field of the object; the field may be "".
func (o object) faultf(field, format string, args ...any) fault {
	return fault{object: o.String(), field: field, text: fmt.Sprintf(format, args...)}
}

// build renders a kustomization; the objects have no types yet.
func build(folder string) ([]object, error) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("kustomize: %w", err)
	}
	var objects []object
	for _, r := range rendered.Resources() {
		text, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("kustomize: %s: %w", r.CurId(), err)
		}
		var o object
		if err := o.UnmarshalJSON(text); err != nil {
			return nil, fmt.Errorf("kustomize: %s: %w", r.CurId(), err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// readObjects reads all documents of a file.
func readObjects(file string) ([]object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	objects, err := parseObjects(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return objects, nil
}

// parseObjects reads all documents of a text; one that holds comments alone is none.
func parseObjects(text []byte) (objects []object, err error) {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var document runtime.RawExtension
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(document.Raw) == 0 || bytes.Equal(document.Raw, []byte("null")) {
			continue
		}
		var o object
		if err := o.UnmarshalJSON(document.Raw); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
}
