package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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
