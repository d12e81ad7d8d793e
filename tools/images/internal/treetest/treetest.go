// Package treetest makes small source trees for tests: a workspace with services that link modules of
// third parties, which lie beside it, so that nothing is fetched.
package treetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// MIT is the text of a licence that the house takes.
const MIT = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// GPL is how a file is marked that is under a licence which the house does not take.
const GPL = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License
as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied warranty of
MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.
`

// New returns a tree with the service "hello", which links the module example.com/greeting v1.0.0
// under the licence given; none means no licence file.
func New(t *testing.T, licence string) string {
	t.Helper()
	files := map[string]string{
		"go.work":                  "go 1.26.0\n\nuse ./services/hello\n",
		"LICENSE":                  "the licence of the house\n",
		"docs/dependencies.md":     "",
		"third/greeting/go.mod":    "module example.com/greeting\n\ngo 1.26.0\n",
		"third/greeting/words.go":  "// Package greeting has words.\npackage greeting\n\n// Hello is one.\nconst Hello = \"hello\"\n",
		"third/greeting/NOTICE":    "Words by somebody\n",
		"services/hello/main.go":   Main(`_ "time/tzdata"`),
		"services/hello/go.mod":    hello,
		"services/hello/README.md": "no program\n",
	}
	if licence != "" {
		files["third/greeting/LICENSE"] = licence
	}
	dir := t.TempDir()
	for name, text := range files {
		Write(t, filepath.Join(dir, name), text)
	}
	return dir
}

const hello = `module github.com/erpstream/erpstream/services/hello

go 1.26.0

require example.com/greeting v1.0.0

replace example.com/greeting => ../../third/greeting
`

// Main returns the text of the service's main.go with a further import.
func Main(further string) string {
	return fmt.Sprintf(`// Command hello greets, politely.
package main

import (
	"os"
	%s

	"example.com/greeting"
)

var version string

func main() { os.Stdout.WriteString(greeting.Hello + version) }
`, further)
}

// Another adds the service "another" to a tree: it links a further package of the same module, which
// comes with terms of its own.
func Another(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{
		"go.work":                      "go 1.26.0\n\nuse ./services/hello\n\nuse ./services/another\n",
		"third/greeting/loud/words.go": "// Package loud has words.\npackage loud\n\nconst Hello = \"HELLO\"\n",
		"third/greeting/loud/NOTICE":   "Loud words by somebody else\n",
		"services/another/main.go":     strings.NewReplacer("example.com/greeting", "example.com/greeting/loud", "greeting.", "loud.").Replace(Main(`_ "time/tzdata"`)),
		"services/another/go.mod":      strings.ReplaceAll(hello, "hello", "another"),
	} {
		Write(t, filepath.Join(dir, name), text)
	}
}

// Write writes a file and the folders that it lies in.
func Write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
