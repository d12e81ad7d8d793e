package spec_test

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

func TestSuggest(t *testing.T) {
	known := []string{"supplier_id", "supplier_name", "status"}
	for name, want := range map[string]string{"suplier_id": "supplier_id", "stauts": "status", "remark": "", "": ""} {
		if got := spec.Suggest(name, known); got != want {
			t.Errorf("spec.Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}
