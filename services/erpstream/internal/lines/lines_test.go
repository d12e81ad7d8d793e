package lines_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/erpstream/internal/lines"
)

func TestPrint(t *testing.T) {
	before := "a\nb\nc\nd\ne\nf\n"
	after := "a\nb\nC\nd\ne\nf\ng\n"
	var out bytes.Buffer
	if err := lines.Print(&out, lines.Diff(before, after), 1); err != nil {
		t.Fatal(err)
	}
	if want := "  …\n  b\n- c\n+ C\n  d\n  …\n  f\n+ g\n"; out.String() != want {
		t.Errorf("%s, want\n%s", out.String(), want)
	}
}

// FuzzDiff holds for all texts: the lines that aren't new are the old text, those that aren't old the new one,
// and equal texts differ in nothing.
func FuzzDiff(f *testing.F) {
	f.Add("", "")
	f.Add("a\nb", "b\nc")
	f.Add("a\na\nb\nc\nb\n\nx", "c\na\nb\na\n\nb\nx\ny")
	f.Add("a", "a")
	f.Add("a\nb\nc\nd", "d\nc\nb\na")
	f.Fuzz(func(t *testing.T, before, after string) {
		before, after = before+".", after+"." // a line break at the end does not count
		var old, fresh []string
		all := lines.Diff(before, after)
		for _, l := range all {
			if l.Op != '+' {
				old = append(old, l.Text)
			}
			if l.Op != '-' {
				fresh = append(fresh, l.Text)
			}
		}
		if strings.Join(old, "\n") != before || strings.Join(fresh, "\n") != after {
			t.Errorf("%q and %q give %v", before, after, all)
		}
		if added, removed := lines.Count(all); (before == after) != (added+removed == 0) {
			t.Errorf("%q and %q differ by %d and %d lines", before, after, added, removed)
		}
	})
}

func TestHugeTextsAreCompared(t *testing.T) {
	before, after := strings.Repeat("a\nb\n", 3_000), strings.Repeat("b\nc\n", 3_000)
	if added, removed := lines.Count(lines.Diff(before, after)); added != 6_000 || removed != 6_000 {
		t.Errorf("%d lines added and %d removed", added, removed)
	}
}
