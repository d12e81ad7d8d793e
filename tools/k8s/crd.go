package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/yaml"
)

// definitions are files with definitions of custom resources in the module that publishes them. They are taken out
// of the module cache, like any module, and not imported: nothing of them is built.
type definitions struct {
	module, sum string
	files       []string
}

// published are those whose kinds have no Go type here.
var published = []definitions{
	{
		module: "github.com/kedacore/keda/v2@v2.21.0", sum: "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
		files: []string{
			"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml",
			"config/crd/bases/keda.sh_clustertriggerauthentications.yaml",
		},
	},
	{
		module: "github.com/external-secrets/external-secrets@v1.3.2", sum: "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
		files: []string{"config/crds/bases/external-secrets.io_externalsecrets.yaml"},
	},
}

// furtherPublished are those that only a server needs: of the Prometheus operator the types are known, and what is
// made for NACK stands in no overlay.
var furtherPublished = []definitions{
	{
		module: "github.com/prometheus-operator/prometheus-operator@v0.93.1", sum: "h1:4Juk8v93RdG1DSGD/mGp+SeQKPmnlLIj2iq3blLZgFY=",
		files: []string{
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
	},
	{
		module: "github.com/nats-io/nack@v0.22.4", sum: "h1:3jLYCbdG+tyfoSIodzMj22dI98JcR/fLZb5P0E4Uegk=",
		files: []string{"deploy/crds.yml"},
	},
}

// readDefinitions returns all definitions as objects.
func readDefinitions(ctx context.Context) (all []object, err error) {
	for _, d := range slices.Concat(published, furtherPublished) {
		folder, err := download(ctx, d.module, d.sum)
		if err != nil {
			return nil, err
		}
		for _, file := range d.files {
			objects, err := readObjects(filepath.Join(folder, file))
			if err != nil {
				return nil, err
			}
			all = append(all, objects...)
		}
	}
	return all, nil
}

// served are the kinds that a server has by definitions, in all versions that it is to serve.
func served(definitions []object) (kinds []schema.GroupVersionKind) {
	for _, o := range definitions {
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, v := range versions {
			if version, ok := v.(map[string]any); ok && version["served"] == true {
				kinds = append(kinds, schema.GroupVersionKind{Group: group, Version: fmt.Sprint(version["name"]), Kind: kind})
			}
		}
	}
	return kinds
}

// readCRDs returns the schemas of all published definitions.
func readCRDs(ctx context.Context) (map[schema.GroupVersionKind]*spec.Schema, error) {
	all := map[schema.GroupVersionKind]*spec.Schema{}
	for _, p := range published {
		folder, err := download(ctx, p.module, p.sum)
		if err != nil {
			return nil, err
		}
		for _, file := range p.files {
			text, err := os.ReadFile(filepath.Join(folder, file))
			if err == nil {
				err = readCRD(text, all)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.module, file, err)
			}
		}
	}
	return all, nil
}

// download returns the folder of a module in the cache, whose content has that sum.
func download(ctx context.Context, module, sum string) (string, error) {
	var got struct{ Dir, Sum, Error string }
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir, cmd.Env = os.TempDir(), append(os.Environ(), "GOWORK=off") // belongs to no module of ours
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil || got.Error != "" || err != nil {
		return "", fmt.Errorf("go mod download %s: %w: %s%s", module, errors.Join(err, jsonErr), got.Error, stderr.String())
	}
	if got.Sum != sum {
		return "", fmt.Errorf("module %s has the sum %s, not %s", module, got.Sum, sum)
	}
	return got.Dir, nil
}

// readCRD adds the schema of each version of a definition.
func readCRD(text []byte, into map[schema.GroupVersionKind]*spec.Schema) error {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema *spec.Schema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	if len(crd.Spec.Versions) == 0 {
		return errors.New("is no definition of a custom resource")
	}
	for _, v := range crd.Spec.Versions {
		into[schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}] = v.Schema.OpenAPIV3Schema
	}
	return nil
}
