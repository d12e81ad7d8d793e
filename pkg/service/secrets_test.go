package service

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsFollowTheFile(t *testing.T) {
	s := Secrets{Dir: t.TempDir()}
	for _, value := range []string{"one", "two", "drei"} { // same length, same second
		write(t, s, "jst-main", "app_secret", value+"\n")
		if got, err := s.Read("jst-main", "app_secret"); err != nil || got != value {
			t.Errorf("Read = %q, %v; want %q", got, err, value)
		}
	}
}

func TestSecretsFollowKubernetesLinks(t *testing.T) {
	s := Secrets{Dir: t.TempDir()}
	dir := filepath.Join(s.Dir, "jst-main")
	mount := func(version, value string) {
		write(t, s, filepath.Join("jst-main", version), "token", value)
		next := filepath.Join(dir, "..next")
		if err := errors.Join(os.Symlink(version, next), os.Rename(next, filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	mount("..v1", "old")
	if err := os.Symlink("..data/token", filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old", "new"} {
		if got, err := s.Read("jst-main", "token"); err != nil || got != want {
			t.Errorf("Read = %q, %v; want %q", got, err, want)
		}
		mount("..v2", "new")
	}
}

func TestSecretsTrimOneNewline(t *testing.T) {
	s := Secrets{Dir: t.TempDir()}
	for in, want := range map[string]string{"a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", " a ": " a "} {
		write(t, s, "c", "f", in)
		if got, err := s.Read("c", "f"); err != nil || got != want {
			t.Errorf("Read of %q = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestSecretsErrors(t *testing.T) {
	s := Secrets{Dir: t.TempDir()}
	write(t, s, "c", "empty", "\n")
	write(t, s, "c", "long", strings.Repeat("geheim", 20_000))
	write(t, s, "c/dir", "f", "x")
	for _, field := range []string{"none", "empty", "long", "dir", "", "../c/long", ".hidden", `a\b`} {
		got, err := s.Read("c", field)
		if err == nil || got != "" {
			t.Errorf("Read of %q = %q, %v", field, got, err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "secret "+field+" of connection c (file c/"+field+"): ") ||
			strings.Contains(text, s.Dir) || strings.Contains(text, "geheim") {
			t.Errorf("Read of %q: %v", field, err)
		}
	}
	if _, err := s.Read("c", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file: %v is not ErrNotExist", err)
	}
	if _, err := s.Read("..", "c"); err == nil {
		t.Error("Read left the directory")
	}
}

func write(t *testing.T, s Secrets, connection, field, value string) {
	t.Helper()
	dir := filepath.Join(s.Dir, connection)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, field), []byte(value), 0o600)); err != nil {
		t.Fatal(err)
	}
}
