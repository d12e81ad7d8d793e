// Package terminal keeps text from outside from being taken for commands by a terminal: what a vendor, a record
// or a document says may hold escape sequences that move the cursor, change colours or the title, or type.
package terminal

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// replacement stands for each character that is not shown.
const replacement = "�"

// Text returns text as a terminal may have it: all of it, but control characters other than ends of lines and
// tabs.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0) {
			return '�'
		}
		return r
	}, text)
}

// Commands of our own, for Command.
const (
	// ClearLine empties the line that the cursor is in, and goes to its beginning.
	ClearLine = "\r\x1b[K"
	// ClearScreen moves the cursor to the top left and clears what is below.
	ClearScreen = "\x1b[H\x1b[J"
)

// Is reports whether stream is a terminal, or a writer of Safe to one.
func Is(stream any) bool { return of(stream) != nil }

// Width is how wide the terminal is that out leads to, in columns; 0 is no terminal.
func Width(out io.Writer) int {
	file := of(out)
	if file == nil {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Command gives a terminal a command, and anything else nothing.
func Command(out io.Writer, command string) {
	if file := of(out); file != nil {
		_, _ = io.WriteString(file, command)
	}
}

// of returns the terminal that a stream leads to, nil where it leads elsewhere.
func of(stream any) *os.File {
	if s, ok := stream.(*safe); ok {
		stream = s.out
	}
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return file
}

// Safe returns a writer to out that is Text where out is a terminal, and out itself where it is a file, a pipe or
// anything else: programs get what there is, byte for byte. It is for one goroutine at a time, as out.
func Safe(out io.Writer) io.Writer {
	if !Is(out) {
		return out
	}
	return &safe{out: out}
}

// safe replaces control characters.
type safe struct {
	out io.Writer
	// open is set after a byte that may begin one of the control characters of two bytes, and was not written.
	open bool
}

// c1 is the first byte of U+0080 to U+00BF in UTF-8.
const c1 = 0xc2

// Write writes p; it counts as written when what stands for it is.
func (s *safe) Write(p []byte) (int, error) {
	shown := make([]byte, 0, len(p)+len(replacement))
	for _, b := range p {
		if s.open {
			s.open = false
			if 0x80 <= b && b < 0xa0 {
				shown = append(shown, replacement...)
				continue
			}
			shown = append(shown, c1)
		}
		switch {
		case b == c1:
			s.open = true
		case b < ' ' && b != '\n' && b != '\t', b == 0x7f:
			shown = append(shown, replacement...)
		default:
			shown = append(shown, b)
		}
	}
	if _, err := s.out.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}
