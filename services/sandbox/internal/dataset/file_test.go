package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJSONFiles(t *testing.T) {
	path, v := filepath.Join(t.TempDir(), "kept.json"), 7
	for _, nowhere := range []string{"", path} {
		if found, err := ReadJSON(nowhere, &v); found || err != nil || v != 7 {
			t.Errorf("%q: found %t, %d, %v", nowhere, found, v, err)
		}
	}
	if err := WriteJSON("", 8); err != nil {
		t.Error(err)
	}
	if err := WriteJSON(path, 9); err != nil {
		t.Fatal(err)
	}
	if found, err := ReadJSON(path, &v); !found || err != nil || v != 9 {
		t.Errorf("found %t, %d, %v", found, v, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := ReadJSON(path, &v); found || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: found %t, %v", found, err)
	}
}
