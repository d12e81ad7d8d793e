package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/backup"
)

func TestBackupAndRestore(t *testing.T) {
	url, js := natsURL(t)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "target.mysql.bi-main.f.07", []byte("x")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	code, out, errOut := run(t, "backup", dir, "--nats", url)
	if code != 0 || !strings.Contains(out, "1 messages and 0 documents") || !strings.Contains(out, "TARGET") {
		t.Fatalf("backup: exit code %d\n%s%s", code, out, errOut)
	}
	code, out, errOut = run(t, "backup", "verify", dir, "--json")
	var m backup.Manifest
	if err := json.Unmarshal([]byte(out), &m); code != 0 || err != nil || m.Messages() != 1 {
		t.Errorf("verify: exit code %d, %v\n%s%s", code, err, out, errOut)
	}
	if code, _, errOut = run(t, "restore", dir, "--nats", url); code != 1 || !strings.Contains(errOut, "TARGET (1 messages)") || !strings.Contains(errOut, "--replace") {
		t.Errorf("restore onto data: exit code %d, %q", code, errOut)
	}
	fresh, _ := natsURL(t)
	code, out, errOut = run(t, "restore", dir, "--nats", fresh)
	if code != 0 || !strings.Contains(out, "create  KV_status") || !strings.Contains(out, "restore trust") {
		t.Errorf("restore: exit code %d\n%s%s", code, out, errOut)
	}
	for _, want := range []string{"links are trusted", "links were not in doubt"} {
		if code, out, errOut = run(t, "restore", "trust", "--nats", fresh); code != 0 || !strings.Contains(out, want) {
			t.Errorf("trust: exit code %d, %q%s, want %q", code, out, errOut, want)
		}
	}
}

func TestBackupAndRestoreSayWhatIsWrong(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "manifest.json"), []byte(`{"format": 7, "erpstream": "v9.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	url, _ := natsURL(t)
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"backup"}, exitMisused, "accepts 1 arg"},
		{[]string{"backup", "a", "b"}, exitMisused, "accepts 1 arg"},
		{[]string{"backup", "verify"}, exitMisused, "accepts 1 arg"},
		{[]string{"restore", "a", "--replicas", "-1", "--nats", url}, exitMisused, "--replicas -1"},
		{[]string{"backup", "verify", t.TempDir()}, exitFailed, "no whole backup"},
		{[]string{"backup", "verify", broken}, exitFailed, "written by erpstream v9.0.0"},
		{[]string{"restore", broken, "--nats", url}, exitFailed, "format 7"},
		{[]string{"backup", broken, "--nats", url}, exitFailed, "not empty"},
		{[]string{"backup", filepath.Join(t.TempDir(), "new"), "--nats", url}, exitFailed, "provision"},
	}
	for _, tt := range tests {
		code, out, errOut := run(t, tt.args...)
		if code != tt.code || !strings.Contains(errOut, tt.want) || out != "" {
			t.Errorf("%v: exit code %d, %q, %q; want %d with %q", tt.args, code, out, errOut, tt.code, tt.want)
		}
	}
}
