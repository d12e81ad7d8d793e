package flow_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
)

// TestTheWayOfAConnection: what is not encrypted and verified is refused, or spelt out and told.
func TestTheWayOfAConnection(t *testing.T) {
	const refusedHTTP = `3:11: endpoint: is plain http`
	tests := []struct{ name, system, endpoint, settings, refused, risk string }{
		{"https", "kis", "https://api.kingdee.com", "", "", ""},
		{"sandbox", "kis", "sandbox", "", "", ""},
		{"http to another machine", "kis", "http://10.0.0.7", "", refusedHTTP, ""},
		{"http by name", "jushuitan", "http://gateway.example/x", "", refusedHTTP, ""},
		{"http of another team", "warehouse", "http://ch:8123", "", refusedHTTP, ""},
		{"http that looks local", "kis", "http://127.0.0.1.example", "", refusedHTTP, ""},
		{"http that is allowed", "kis", "http://10.0.0.7", `allow_http: "true"`, "", "3:11: endpoint: 10.0.0.7 is plain http"},
		{"http that is not", "kis", "http://10.0.0.7", `allow_http: "false"`, refusedHTTP, ""},
		{"neither", "kis", "https://10.0.0.7", `allow_http: "yes"`, `4:24: settings.allow_http: is "yes": want "true" or "false"`, ""},
		{"loopback", "kis", "http://127.0.0.1:9401", "", "", ""},
		{"loopback by name", "kis", "http://localhost:9401", "", "", ""},
		{"loopback of IPv6", "kis", "http://[::1]:9401", "", "", ""},
		{"database", "mysql", "mysql://db:3306/bi", "", "", ""},
		{"database on this machine", "mysql", "mysql://127.0.0.1:3306/bi", `tls: "false"`, "", ""},
		{"database without TLS", "mysql", "mysql://db:3306/bi", `tls: "false"`, "", "4:17: settings.tls: db is spoken to without TLS"},
		{"database that decides", "mysql", "mysql://db:3306/bi", "tls: preferred", "", "db decides whether there is TLS"},
		{"database unverified", "mysql", "mysql://db:3306/bi", "tls: skip-verify", "", "the certificate of db is not verified"},
		{"database misspelt", "mysql", "mysql://db:3306/bi", `tls: "yes"`, `4:17: settings.tls: tls is "yes": want true`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "connection: a\nsystem: " + tt.system + "\nendpoint: " + tt.endpoint + "\n"
			if tt.settings != "" {
				text += "settings: {" + tt.settings + "}\n"
			}
			docs, err := flow.Parse("c.yaml", []byte(text))
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Fatalf("Parse = %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			risk := docs[0].Connection.Risk()
			if tt.risk == "" && risk != nil || tt.risk != "" && (risk == nil || !strings.Contains(risk.Error(), tt.risk)) {
				t.Errorf("Risk = %v, want %q", risk, tt.risk)
			}
		})
	}
}

// TestTheEndpointOfSecrets: whoever keeps the secrets can say where alone they go.
func TestTheEndpointOfSecrets(t *testing.T) {
	c := flow.Connection{Name: "kd", Endpoint: "https://elsewhere.example", Settings: map[string]string{"endpoint": "https://no.example"}}
	tests := []struct {
		name, value string
		err         error
		want        string
	}{
		{"none", "", fs.ErrNotExist, "https://elsewhere.example"},
		{"one", "https://api.kingdee.com\n", nil, "https://api.kingdee.com"},
		{"one that can't be read", "", errors.New("permission denied"), ""},
	}
	for _, tt := range tests {
		get := c.Getter(func(connection, field string) (string, error) {
			if connection != "kd" || field != "endpoint" {
				t.Errorf("%s: asked for %s of %s", tt.name, field, connection)
			}
			return tt.value, tt.err
		})
		if got := get("endpoint"); got != tt.want {
			t.Errorf("%s: endpoint = %q, want %q", tt.name, got, tt.want)
		}
	}
}
