package policy_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

func TestRead(t *testing.T) {
	usual := policy.Policy{Change: true}
	bill := new(kingdeev1.InventoryGainBill).ProtoReflect().Descriptor()
	tests := map[string]struct {
		want   policy.Policy
		faults []string
	}{
		"":                                      {usual, nil},
		"on_change=refuse":                      {policy.Policy{}, nil},
		"on_removed=delete&search=always":       {policy.Policy{Change: true, Remove: true, Search: true}, nil},
		"marker=append&on_audit_failure=delete": {policy.Policy{Change: true, Append: true}, nil},
		"on_change=no&mode=x&on_audit_failure=": {policy.Policy{}, []string{`on_change is "no"`, "update", "mode is unknown", "on_audit_failure, on_change", `on_audit_failure is ""`}},
	}
	for query, tt := range tests {
		options, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := policy.Read(options, usual, bill)
		if tt.faults == nil && (err != nil || got != tt.want) {
			t.Errorf("%q = %+v, %v; want %+v", query, got, err, tt.want)
		}
		for _, text := range tt.faults {
			if err == nil || !fault.IsPermanent(err) || !strings.Contains(err.Error(), text) {
				t.Errorf("%q: error = %v, want a permanent one with %q", query, err, text)
			}
		}
	}
}

// TestOnlyBillsAreAudited refuses the option of the audit for what has none.
func TestOnlyBillsAreAudited(t *testing.T) {
	customer := new(kingdeev1.Customer).ProtoReflect().Descriptor()
	if _, err := policy.Read(url.Values{policy.AuditFailure: {policy.KeepDraft}}, policy.Policy{}, customer); err == nil {
		t.Error("a customer that is audited was accepted")
	}
}
