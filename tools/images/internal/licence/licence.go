// Package licence finds out under which licences a module is, from the texts that it comes with, and
// which licences the house takes.
package licence

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/licensecheck"
)

// allowed are the licences, by SPDX identifier, under which code may be linked into what is shipped:
// permissive ones, and MPL-2.0, which binds the files of the module alone.
var allowed = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib",
}

// known is the least part of a licence file, in percent of its words, that must be the text of known
// licences. The rest are names and what introduces the text.
const known = 75

// licences and notices are files that hold the terms, and what must be passed on with them.
var (
	licences = regexp.MustCompile(`(?i)^(licen[sc]es?|copying|unlicen[sc]e)([.-].*)?$`)
	notices  = regexp.MustCompile(`(?i)^(notices?|patents)([.-].*)?$`)
)

// Licence is what a module, or the part of it that is linked, may be used under.
type Licence struct {
	// IDs are SPDX identifiers, sorted; all of them apply, each to a part.
	IDs []string
	// Texts are the licences, notices and patent grants, the module's own first.
	Texts []string
}

// Expression returns the SPDX expression.
func (l Licence) Expression() string { return strings.Join(l.IDs, " AND ") }

// Refused returns those of the licences that are not on the list of the house.
func (l Licence) Refused() []string {
	return slices.DeleteFunc(slices.Clone(l.IDs), func(id string) bool { return slices.Contains(allowed, id) })
}

// Of reads the licence of a module that lies in dir and of which the packages in folders are linked:
// the files in dir, in the folders, and on the way between them. The error says which file is not
// understood, or that there is none in dir.
func Of(dir string, folders []string) (Licence, error) {
	var l Licence
	for _, folder := range above(dir, folders) {
		found, err := l.read(folder)
		if err != nil {
			return Licence{}, err
		}
		if folder == dir && !found {
			return Licence{}, fmt.Errorf("%s has no licence file", dir)
		}
	}
	slices.Sort(l.IDs)
	l.IDs = slices.Compact(l.IDs)
	return l, nil
}

// above returns dir, the folders, and all that lie between, sorted; so dir is the first.
func above(dir string, folders []string) []string {
	all := []string{dir}
	for _, folder := range folders {
		for ; len(folder) > len(dir); folder = filepath.Dir(folder) {
			all = append(all, folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// read takes in the files of one folder, and says whether there was a licence.
func (l *Licence) read(folder string) (found bool, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		isLicence := licences.MatchString(entry.Name())
		if entry.IsDir() || !isLicence && !notices.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		file := filepath.Join(folder, entry.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		if isLicence {
			ids := identify(text)
			if len(ids) == 0 {
				return false, fmt.Errorf("%s is no licence that is known", file)
			}
			l.IDs = append(l.IDs, ids...)
			found = true
		}
		l.Texts = append(l.Texts, strings.TrimSpace(string(text)))
	}
	return found, nil
}

// identified remembers texts: most modules share a few, and looking takes a while.
var identified sync.Map // sha256 of a text: []string

// identify returns the licences in a text, or none when most of it is something else.
func identify(text []byte) []string {
	sum := sha256.Sum256(text)
	if ids, ok := identified.Load(sum); ok {
		return ids.([]string)
	}
	var ids []string
	if coverage := licensecheck.Scan(text); coverage.Percent >= known {
		for _, match := range coverage.Match {
			ids = append(ids, match.ID)
		}
	}
	identified.Store(sum, ids)
	return ids
}
