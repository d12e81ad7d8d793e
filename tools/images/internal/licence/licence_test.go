package licence_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/tools/images/internal/licence"
	"github.com/erpstream/erpstream/tools/images/internal/treetest"
)

func TestOf(t *testing.T) {
	apache := "Licensed under the Apache License, Version 2.0 (the \"License\"); you may not use this file except in compliance with the License.\n" +
		"You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0\n" +
		"Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an \"AS IS\" BASIS, " +
		"WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. " +
		"See the License for the specific language governing permissions and limitations under the License.\n"
	for _, test := range []struct {
		name    string
		files   map[string]string
		linked  string // a folder below the module
		want    string
		refused string
		texts   int
		err     string
	}{
		{name: "the module's own", files: map[string]string{"LICENSE": treetest.MIT}, want: "MIT", texts: 1},
		{name: "as others name it", files: map[string]string{"Licence.txt": treetest.MIT}, want: "MIT", texts: 1},
		{name: "notices go along", files: map[string]string{"COPYING": treetest.MIT, "NOTICE": "by somebody", "PATENTS": "none"}, want: "MIT", texts: 3},
		{name: "two in one", files: map[string]string{"LICENSE": treetest.MIT + "\n" + apache}, want: "Apache-2.0 AND MIT", texts: 1},
		{name: "a folder on the way", files: map[string]string{"LICENSE": treetest.MIT, "a/LICENSE": apache}, linked: "a/b", want: "Apache-2.0 AND MIT", texts: 2},
		{name: "a folder that is not linked", files: map[string]string{"LICENSE": treetest.MIT, "c/LICENSE": apache}, linked: "a/b", want: "MIT", texts: 1},
		{name: "not taken", files: map[string]string{"LICENSE": treetest.GPL}, want: "GPL-3.0-or-later", refused: "GPL-3.0-or-later", texts: 1},
		{name: "not taken, for a part", files: map[string]string{"LICENSE": treetest.MIT, "a/COPYING": treetest.GPL}, linked: "a/b",
			want: "GPL-3.0-or-later AND MIT", refused: "GPL-3.0-or-later", texts: 2},
		{name: "none", files: map[string]string{"licence.go": "package p"}, err: "has no licence file"},
		{name: "only of a part", files: map[string]string{"a/LICENSE": treetest.MIT}, linked: "a", err: "has no licence file"},
		{name: "unknown", files: map[string]string{"LICENSE": "Do as I say, not as I do."}, err: "LICENSE is no licence that is known"},
		{name: "known, and much besides", files: map[string]string{"LICENSE": treetest.MIT + strings.Repeat("But only on Sundays, and not for money. ", 30)},
			err: "LICENSE is no licence that is known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			treetest.Write(t, filepath.Join(dir, "a/b/code.go"), "package b")
			for name, text := range test.files {
				treetest.Write(t, filepath.Join(dir, name), text)
			}
			got, err := licence.Of(dir, []string{filepath.Join(dir, test.linked)})
			switch {
			case test.err != "":
				if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("error %v, want one about %q with the path", err, test.err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if got.Expression() != test.want || strings.Join(got.Refused(), " ") != test.refused || len(got.Texts) != test.texts {
				t.Errorf("got %q, refused %v, %d texts", got.Expression(), got.Refused(), len(got.Texts))
			}
		})
	}
}
