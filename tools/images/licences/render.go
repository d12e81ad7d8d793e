package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/tools/images/internal/program"
	"github.com/erpstream/erpstream/tools/images/internal/rootfs"
)

// few is how many services are named where a module is in all the others.
const few = 3

const head = `# Dependencies

Every module of a third party that is linked into a service, on any platform that images are made for. Written by
` + "`make licences`; `make check`" + ` fails when it is not current, and when a module has a licence that is not known or not taken.
Licences are read from the texts in the modules: those of the module, and of folders below it whose packages are linked;
AND means that each holds for a part.

Besides these every program has the standard library of Go (BSD-3-Clause), and every image Mozilla's root certificates
(MPL-2.0, from ` + "`" + rootfs.Certificates + "`" + `). Each image has the texts in ` + "`/licenses`" + `, and a bill of materials.

`

// render returns the document.
func render(rows []row, services []program.Service) []byte {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var out bytes.Buffer
	out.WriteString(head)
	fmt.Fprintf(&out, "%s\n\n", counted(rows))
	fmt.Fprintf(&out, "| module | version | licence | services |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.module.Path, r.module.Version, r.licence, carried(r.services, names))
	}
	return out.Bytes()
}

// counted says how many modules are under each licence, the most frequent first.
func counted(rows []row) string {
	count := map[string]int{}
	for _, r := range rows {
		count[r.licence]++
	}
	order := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
	var parts []string
	for _, licence := range order {
		parts = append(parts, fmt.Sprintf("%s %d", licence, count[licence]))
	}
	return fmt.Sprintf("%d modules: %s.", len(rows), strings.Join(parts, ", "))
}

// carried names the services that have a module, or those that do not where they are fewer.
func carried(by, all []string) string {
	others := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(by, name) })
	switch {
	case len(others) == 0:
		return "all"
	case len(others) <= few && len(others) < len(by):
		return "all but " + strings.Join(others, ", ")
	default:
		return strings.Join(by, ", ")
	}
}
