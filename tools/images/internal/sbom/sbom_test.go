package sbom_test

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/erpstream/erpstream/tools/images/internal/sbom"
)

var img = sbom.Image{
	Name: "hello", Description: "greets", Version: "v1.2.3", Platform: "linux/amd64", Digest: "sha256:abc",
	Created: time.Date(2026, 1, 31, 16, 0, 0, 0, time.FixedZone("", 8*3600)), Package: "example.com/hello", Licence: "Apache-2.0",
	Components: []sbom.Component{
		{Name: "example.com/roots", Version: "v0.0.0-1", Licence: "MPL-2.0", Data: true},
		{Name: "std", Version: "go1.26.8", Licence: "BSD-3-Clause"},
		{Name: "example.com/a", Version: "v2.0.0+incompatible", Licence: "Apache-2.0 AND MIT"},
	},
}

func TestDocument(t *testing.T) {
	text, err := sbom.Document(img)
	if err != nil {
		t.Fatal(err)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cyclonedx.SpecVersion1_6 || bom.Metadata.Timestamp != "2026-01-31T08:00:00Z" || bom.Metadata.Component.Name != "hello" {
		t.Errorf("document %+v of %+v", bom, bom.Metadata)
	}
	var got []string
	for _, c := range *bom.Components {
		licence := (*c.Licenses)[0]
		if licence.License != nil {
			licence.Expression = licence.License.ID
		}
		got = append(got, string(c.Type)+" "+c.PackageURL+" "+licence.Expression)
	}
	want := []string{
		"data pkg:golang/example.com/roots@v0.0.0-1 MPL-2.0",
		"library pkg:golang/stdlib@1.26.8 BSD-3-Clause",
		"library pkg:golang/example.com/a@v2.0.0%2Bincompatible Apache-2.0 AND MIT",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("components\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if refs := *(*bom.Dependencies)[0].Dependencies; len(refs) != len(want) {
		t.Errorf("depends on %v", refs)
	}
	if again, err := sbom.Document(img); err != nil || !bytes.Equal(text, again) {
		t.Errorf("made twice it is not the same: %v", err)
	}
	other := img
	other.Digest = "sha256:def"
	if text, err := sbom.Document(other); err != nil || bytes.Contains(text, []byte(bom.SerialNumber)) {
		t.Errorf("another image has the same serial number: %v", err)
	}
}

func TestModules(t *testing.T) {
	got := sbom.Modules(&debug.BuildInfo{Deps: []*debug.Module{
		{Path: "b", Version: "v1.0.0"}, {Path: "github.com/erpstream/erpstream/pkg", Version: "(devel)"}, {Path: "a", Version: "v1.0.0"},
	}})
	if strings.Join(got, " ") != "a@v1.0.0 b@v1.0.0" {
		t.Errorf("modules %v", got)
	}
}
