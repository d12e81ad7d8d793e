package topology

import "testing"

func TestOlderThan(t *testing.T) {
	tests := []struct {
		version string
		older   bool
	}{
		{"2.12.9", true}, {"2.13.99", true}, {"2.14.0", false}, {"2.14.0-RC.1", false}, {"2.15.2", false}, {"3.0.0", false}, {"1.99.9", true}, {"2.9.25", true},
	}
	for _, tt := range tests {
		if got := OlderThan(tt.version, MinServer); got != tt.older {
			t.Errorf("OlderThan(%s, %s) = %v", tt.version, MinServer, got)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "jst-main", "x9"} {
		if err := CheckName(good); err != nil {
			t.Errorf("CheckName(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{"", "9a", "-a", "A", "a.b", "a b", "a*", "a>", "采购", "a\n", string(make([]byte, 65))} {
		if err := CheckName(bad); err == nil {
			t.Errorf("CheckName(%q) = nil", bad)
		}
	}
}
