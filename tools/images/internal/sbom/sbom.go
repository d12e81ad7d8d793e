// Package sbom lists what is in an image, as a CycloneDX document.
package sbom

import (
	"bytes"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// MediaType is that of the document.
const MediaType = "application/vnd.cyclonedx+json"

// Component is something that is in the image.
type Component struct {
	// Name and Version are those of a Go module; Licence is an SPDX expression.
	Name, Version, Licence string
	// Data says that it is no code.
	Data bool
}

// Image is what the document is about.
type Image struct {
	// Name is the service, Digest that of the image of one platform, such as linux/arm64.
	Name, Description, Version, Platform, Digest string
	// Created is when the sources were.
	Created time.Time
	// Package is the import path of the program; Licence is its own.
	Package, Licence string
	Components       []Component
}

// Document returns the bill of materials. The same image gives the same bytes.
func Document(img Image) ([]byte, error) {
	root := cyclonedx.Component{
		BOMRef: purl(img.Package, img.Version), Type: cyclonedx.ComponentTypeContainer, Name: img.Name, Version: img.Version,
		Description: img.Description, Licenses: licences(img.Licence), PackageURL: purl(img.Package, img.Version),
		Properties: &[]cyclonedx.Property{
			{Name: "oci:image:digest", Value: img.Digest}, {Name: "oci:image:platform", Value: img.Platform},
		},
	}
	var components []cyclonedx.Component
	var refs []string
	for _, c := range img.Components {
		component := cyclonedx.Component{
			BOMRef: purl(c.Name, c.Version), Type: cyclonedx.ComponentTypeLibrary, Name: c.Name, Version: c.Version,
			Scope: cyclonedx.ScopeRequired, Licenses: licences(c.Licence), PackageURL: purl(c.Name, c.Version),
		}
		if c.Data {
			component.Type = cyclonedx.ComponentTypeData
		}
		components = append(components, component)
		refs = append(refs, component.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte("oci:"+img.Digest)).URN()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: img.Created.UTC().Format(time.RFC3339), Component: &root}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: root.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	// 1.6, for the scanners that do not read 1.7 yet.
	err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return out.Bytes(), err
}

// Modules returns the path@version of the modules in a binary, but those of its own workspace.
func Modules(info *debug.BuildInfo) []string {
	var modules []string
	for _, m := range info.Deps {
		if m.Version != "(devel)" {
			modules = append(modules, m.Path+"@"+m.Version)
		}
	}
	slices.Sort(modules)
	return modules
}

// purl names a Go module as scanners of vulnerabilities do. They know the standard library as "stdlib",
// by a version without "go".
func purl(module, version string) string {
	if module == "std" {
		module, version = "stdlib", strings.TrimPrefix(version, "go")
	}
	return "pkg:golang/" + module + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func licences(expression string) *cyclonedx.Licenses {
	if strings.Contains(expression, " ") {
		return &cyclonedx.Licenses{{Expression: expression}}
	}
	return &cyclonedx.Licenses{{License: &cyclonedx.License{ID: expression}}}
}
