package rootfs_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/erpstream/erpstream/tools/images/internal/rootfs"
)

func TestBase(t *testing.T) {
	files, err := rootfs.Base()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(files, func(f rootfs.File) bool { return f.Path == "etc/ssl/certs/ca-certificates.crt" })
	if i < 0 {
		t.Fatal("there are no certificates")
	}
	want := 0
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			want++
		}
	}
	if got := strings.Count(string(files[i].Body), "BEGIN CERTIFICATE"); got != want || want < 100 {
		t.Errorf("%d certificates, want %d", got, want)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(files[i].Body) {
		t.Error("the certificates can't be read")
	}
	if passwd := string(files[1].Body); !strings.Contains(passwd, "erpstream:x:"+rootfs.User+":") {
		t.Errorf("etc/passwd has no name for %s:\n%s", rootfs.User, passwd)
	}
}

func TestThirdParties(t *testing.T) {
	got := string(rootfs.ThirdParties([]rootfs.Terms{
		{Module: "a@v1", Licence: "MIT", Texts: []string{"text one"}},
		{Module: "b@v2", Licence: "MIT AND ISC", Texts: []string{"text one", "text two"}},
	}))
	for _, want := range []string{"  a@v1: MIT\n  b@v2: MIT AND ISC\n", "\na@v1\nb@v2\n\ntext one\n", "\nb@v2\n\ntext two\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Count(got, "text one") != 1 {
		t.Errorf("a text stands there twice:\n%s", got)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	files := rootfs.Program("hello", []byte("binary"), []byte("licence"), []byte("terms"))
	if err := rootfs.Write(dir, files); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "usr/bin/hello"))
	if err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("the program can't be run: %v, %v", info, err)
	}
	if terms, err := os.ReadFile(filepath.Join(dir, "licenses/third-parties.txt")); string(terms) != "terms" {
		t.Errorf("terms %q, %v", terms, err)
	}
	if got := strings.Join(rootfs.Parents(files), " "); got != "licenses usr usr/bin" {
		t.Errorf("folders %s", got)
	}
}
