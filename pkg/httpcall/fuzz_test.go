package httpcall_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/erpstream/erpstream/pkg/httpcall"
)

// Whatever a vendor answers and however it repeats a secret, what is told of it is short, printable and without
// the secret.
func FuzzDescribe(f *testing.F) {
	f.Add("<html>", "</html>", "text/html", 502)
	f.Add("{", `"}`, "\x1b[2J", 200)
	f.Add("\xff\x00", "\u202e", "", 404)
	f.Fuzz(func(t *testing.T, before, after, kind string, status int) {
		const secret = "s3cr3t+/=&%中"
		hidden := httpcall.Hide(secret, "short-secret")
		for _, repeated := range []string{secret, url.QueryEscape(secret), "short-secret"} {
			a := httpcall.Answer{Status: status, ContentType: kind, Body: []byte(before + repeated + after)}
			told := a.Describe(hidden)
			if strings.Contains(told, "s3cr3t") || strings.Contains(told, "short-secret") {
				t.Errorf("told: %s", told)
			}
			if len(told) > 2000 || !utf8.ValidString(told) || strings.ContainsFunc(told, func(r rune) bool { return r < ' ' }) {
				t.Errorf("told: %q", told)
			}
		}
	})
}
