package doctor_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/services/erpstream/internal/doctor"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// unsafe are connections whose documents spell out what makes them so.
const unsafe = `connection: plain
system: kis
endpoint: http://10.0.0.7:8080
settings: {allow_http: "true"}
---
connection: bi
system: mysql
endpoint: mysql://db:3306/bi
settings: {tls: "false"}
`

// TestWhatOthersCouldRead looks at connections without TLS and at secrets that are open to others.
func TestWhatOthersCouldRead(t *testing.T) {
	js := natstest.Run(t)
	furnish(t, js, 1)
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{}), "connections", probe.OK, "none of 1 connections")
	docs, err := flow.Parse("unsafe.yaml", []byte(unsafe))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Apply(t.Context(), js, docs, func(flow.Set) error { return nil }); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret(t, dir, "jst/app_secret", "s3cr3t", 0o644)
	secret(t, dir, "jst/endpoint", "https://openapi.jushuitan.com\n", 0o400)
	secret(t, dir, "bi/endpoint", "mysql://other:3306/bi\n", 0o440)
	secret(t, dir, "bi/password", "s3cr3t", 0o660)
	findings := doctor.Examine(t.Context(), js, doctor.Options{Secrets: dir})
	wantFinding(t, findings, "connections", probe.Warn, "connection plain: 10.0.0.7 is plain http")
	wantFinding(t, findings, "connections", probe.Warn, "connection bi: db is spoken to without TLS")
	wantFinding(t, findings, "connections", probe.Warn, "connection bi: its document names another endpoint")
	wantFinding(t, findings, "secrets", probe.Warn, "jst/app_secret (0644) can be read by everybody")
	wantFinding(t, findings, "secrets", probe.Fail, "bi/password (0660) can be written by others")
	told := 0
	for _, f := range findings {
		if f.Check == "connections" || f.Check == "secrets" {
			told++
		}
	}
	if told != 5 {
		t.Errorf("%d findings of connections and secrets, want 5:%s", told, show(findings))
	}
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{Secrets: filepath.Join(dir, "none")}), "secrets", probe.Unknown, "there is no folder")
}

// secret writes a secret file with a mode, whatever the mask of the process.
func secret(t *testing.T, dir, name, value string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
