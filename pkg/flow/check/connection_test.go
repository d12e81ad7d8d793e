package check_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

func TestSettingsOfAConnection(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"misspelt", "connection: a\nsystem: kingdee\nendpoint: https://api.kingdee.com\nsettings:\n  client_di: \"1\"\n", `c.yaml:5:14: settings.client_di: unknown setting "client_di" of kingdee: did you mean client_id?`},
		{"of another system", "connection: a\nsystem: jushuitan\nendpoint: sandbox\nsettings: {edition: flagship}\n", `unknown setting "edition" of jushuitan`},
		{"constant", "connection: a\nsystem: kis\nendpoint: sandbox\nsettings: {head.FDeptID: \"1\", entry.FPlanMode: \"2\", wrap: flat}\n", ""},
		{"of another team", "connection: a\nsystem: warehouse\nendpoint: https://example.org\nsettings: {anything: x}\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, err := flow.Parse("c.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			err = check.Set(flow.Set{}.With(docs...))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Set = %v, want %q", err, tt.want)
			}
		})
	}
}
