package booking

import (
	"strings"
	"testing"
)

// Whatever the key of a record is, its link is a key of its own, of four tokens, and never the owner of a
// document.
func FuzzLinkKey(f *testing.F) {
	for _, seed := range [][2]string{{"1", "2"}, {"*", ">"}, {"a.b", "a=2Eb"}, {"", " "}, {"=owner.1", "=sha256=00"}, {strings.Repeat("中", 99), strings.Repeat("中", 100)}, {"\xff", "\ufffd"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		key := LinkKey("kd", "M", "s", one)
		if strings.Count(key, ".") != 3 || strings.ContainsAny(key, "*> \t\r\n") || len(key) > 2*longestToken {
			t.Errorf("link of %q is %q", one, key)
		}
		if (key == LinkKey("kd", "M", "s", other)) != (one == other) {
			t.Errorf("%q and %q have one link", one, other)
		}
		if owner := ownerKey("kd", "M", one); owner == key || strings.Count(owner, ".") != 3 {
			t.Errorf("owner of %q is %q", one, owner)
		}
	})
}

// Whatever clue an intent holds, it is read as it was written.
func FuzzClue(f *testing.F) {
	f.Add("number=1&marker=%E4%B8%AD&date=2026-01-01")
	f.Add("a=%zz&;")
	f.Add("number=1&number=2")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeClue(text)
		if err != nil {
			return
		}
		if again, err := decodeClue(c.encode()); err != nil || again != c {
			t.Errorf("%+v becomes %+v, %v", c, again, err)
		}
	})
}
