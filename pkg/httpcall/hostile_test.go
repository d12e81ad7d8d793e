package httpcall_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// TestARedirectLeadsNowhere: neither within a host nor to another one, with which method and status ever, does
// anything of a request go where an answer wants it.
func TestARedirectLeadsNowhere(t *testing.T) {
	var calls []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was called") }))
	defer elsewhere.Close()
	var to string
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.URL.Path)
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer vendor.Close()
	client := httpcall.New(&http.Client{}, time.Minute, 1000, "v1") // the transport of the services
	for _, to = range []string{elsewhere.URL, "//" + strings.TrimPrefix(elsewhere.URL, "http://"), "/within", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "gopher://x"} {
		calls = nil
		form := httpcall.Form(vendor.URL+"/api", map[string]string{"access_token": "s3cr3t"})
		answer, err := client.Do(t.Context(), form)
		if err != nil || answer.OK() || answer.Status != http.StatusTemporaryRedirect || strings.Join(calls, " ") != "/api" {
			t.Errorf("redirect to %s: status %d, %v, calls %v", to, answer.Status, err, calls)
		}
	}
}

// TestABombIsNotUnpacked has an answer of some kilobytes that would be megabytes.
func TestABombIsNotUnpacked(t *testing.T) {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		io.Copy(packed, io.LimitReader(zeros{}, 64<<20))
		packed.Close()
	}))
	defer vendor.Close()
	_, err := httpcall.New(&http.Client{}, time.Minute, 1<<20, "v1").Do(t.Context(), httpcall.Request{Method: http.MethodGet, URL: vendor.URL})
	if fault.ClassOf(err) != "size" || !fault.IsPermanent(err) {
		t.Errorf("err = %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestHeadersAreBounded has more of them than an answer needs.
func TestHeadersAreBounded(t *testing.T) {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 4 {
			w.Header().Add("X-Long", strings.Repeat("x", 500_000))
		}
	}))
	defer vendor.Close()
	_, err := httpcall.New(&http.Client{}, time.Minute, 1<<20, "v1").Do(t.Context(), httpcall.Request{Method: http.MethodGet, URL: vendor.URL})
	if err == nil || fault.ClassOf(err) != "network" {
		t.Errorf("err = %v", err)
	}
}

// TestAnUnknownCertificateIsRefused calls a server whose certificate nobody signed who is known here.
func TestAnUnknownCertificateIsRefused(t *testing.T) {
	vendor := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	vendor.StartTLS()
	defer vendor.Close()
	_, err := httpcall.New(&http.Client{}, time.Minute, 1<<20, "v1").Do(t.Context(), httpcall.Form(vendor.URL, map[string]string{"access_token": "s3cr3t"}))
	if fault.ClassOf(err) != "connection" || fault.KindOf(err) != fault.DownKind || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("err = %v", err)
	}
}
