package token_test

import (
	"context"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/token"
)

// Whatever somebody wrote into the bucket, a replica gets a value of its own account or none, and never an error
// that quotes it.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{`{"generation":3,"sealed":"AAAA","ends":"2030-01-01T00:00:00Z"}`, `{"sealed":null}`, `{`, `[]`, `null`, "\xff", `{"sealed":"s3cr3t-that-is-longer-than-a-nonce-s3cr3t"}`, `{"generation":18446744073709551615}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		store := &token.Memory{}
		if _, err := store.Save(t.Context(), "kd", entry, 0); err != nil {
			t.Fatal(err)
		}
		box := token.Box[map[string]string]{Store: store, Name: "kd", Account: "a", Secret: func() (string, error) { return "secret", nil }}
		if value, err := box.Load(context.Background()); len(value) > 0 || err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q is taken for %v, %v", entry, value, err)
		}
		if err := box.Save(t.Context(), map[string]string{"t": "1"}); err != nil {
			t.Fatal(err)
		}
		if value, err := box.Load(t.Context()); err != nil || value["t"] != "1" {
			t.Errorf("after %q: %v, %v", entry, value, err)
		}
	})
}
