package mysqld_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/mysqld"
)

// start starts a server in dir; that it speaks SQL is shown by the tests of pkg/test.
func start(t *testing.T, dir string, log io.Writer) *mysqld.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, err := mysqld.Start(ctx, mysqld.Options{Dir: dir, Log: log})
	if err != nil {
		t.Fatalf("%v: run make test, which installs one", err)
	}
	t.Cleanup(func() { _ = in.Stop() })
	return in
}

func TestInstanceKeepsItsFolderBetweenRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	var log bytes.Buffer
	first := start(t, dir, &log)
	if !strings.HasPrefix(first.DSN(), "erpstream:"+first.Password+"@tcp(127.0.0.1:") || len(first.Password) < 20 {
		t.Errorf("DSN = %q", first.DSN())
	}
	marker := filepath.Join(dir, "data", "marker")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Errorf("Stop = %v", err)
	}
	var dialer net.Dialer
	if _, err := dialer.DialContext(t.Context(), "tcp", first.Addr); err == nil {
		t.Error("the server still listens after Stop")
	}
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
	second := start(t, dir, nil)
	if second.Password != first.Password {
		t.Error("the password changed between runs")
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("the data folder was made anew: %v", err)
	}
	select {
	case <-second.Done():
		t.Error("Done is closed while the server runs")
	default:
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	in := start(t, t.TempDir(), nil)
	_, port, err := net.SplitHostPort(in.Addr)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Join(broken, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options mysqld.Options
		want    string
	}{
		"database": {mysqld.Options{Dir: t.TempDir(), Database: "a`b"}, "name of the database"},
		"port":     {mysqld.Options{Dir: t.TempDir(), Port: taken}, "port for a database server"},
		"folder":   {mysqld.Options{Dir: file}, "not a directory"},
		"data":     {mysqld.Options{Dir: broken}, "its last words:\n20"}, // empty: no system tables
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := mysqld.Start(ctx, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start = %v, want %q", err, tt.want)
			}
		})
	}
}
