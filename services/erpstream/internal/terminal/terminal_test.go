package terminal

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// hostile is what a vendor's error text could hold: it clears the screen, sets the title, colours, writes over
// the line, and begins a sequence with one character of two bytes.
const hostile = "采购 ok\n\x1b[2J\x1b]0;title\x07\x1b[31m\r\x08\x7f\u009b2J\u0085 é ® tab\tend"

const harmless = "采购 ok\n�[2J�]0;title��[31m����2J� é ® tab\tend"

func TestText(t *testing.T) {
	if got := Text(hostile); got != harmless {
		t.Errorf("Text = %q, want %q", got, harmless)
	}
}

// TestWritesThatCutCharacters writes one byte at a time, as a table may.
func TestWritesThatCutCharacters(t *testing.T) {
	var out bytes.Buffer
	w := &safe{out: &out}
	for i := range len(hostile) {
		if n, err := w.Write([]byte{hostile[i]}); n != 1 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if out.String() != harmless {
		t.Errorf("written %q, want %q", out.String(), harmless)
	}
}

// TestProgramsGetAllBytes: what is no terminal gets what there is.
func TestProgramsGetAllBytes(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, out := range []any{file, &bytes.Buffer{}} {
		w := out.(interface{ Write([]byte) (int, error) })
		if Safe(w) != w {
			t.Errorf("Safe(%T) is another writer", out)
		}
		Command(w, ClearScreen)
		if Is(w) || Width(w) != 0 {
			t.Errorf("a %T is a terminal", out)
		}
	}
	if text, err := os.ReadFile(file.Name()); err != nil || len(text) > 0 {
		t.Errorf("the file got %q, %v", text, err)
	}
}

// FuzzSafe compares Write with Text, wherever the text is cut.
func FuzzSafe(f *testing.F) {
	f.Add(hostile, 5)
	f.Add("\u00a9\u009b", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		text = strings.ToValidUTF8(text, "") + "."
		cut = min(max(cut, 0), len(text))
		var out bytes.Buffer
		w := &safe{out: &out}
		for _, part := range []string{text[:cut], text[cut:]} {
			if _, err := w.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != Text(text) {
			t.Errorf("%q at %d: %q, want %q", text, cut, out.String(), Text(text))
		}
	})
}
