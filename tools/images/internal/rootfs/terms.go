package rootfs

import (
	"bytes"
	"fmt"
)

// Terms are the texts that a module of a third party must be passed on with.
type Terms struct {
	// Module is path@version, Licence its SPDX expression.
	Module, Licence string
	Texts           []string
}

// ThirdParties returns the file with the terms of all modules: first which module is under which
// licence, then each text once, below the modules that it came with.
func ThirdParties(modules []Terms) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "This program contains code of third parties, under these licences:\n\n")
	owners := map[string][]string{}
	var texts []string
	for _, m := range modules {
		fmt.Fprintf(&out, "  %s: %s\n", m.Module, m.Licence)
		for _, text := range m.Texts {
			if owners[text] == nil {
				texts = append(texts, text)
			}
			owners[text] = append(owners[text], m.Module)
		}
	}
	fmt.Fprintf(&out, "\nThe root certificates of this image are Mozilla's, from %s: MPL-2.0\n", Certificates)
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%s\n", bytes.Repeat([]byte("="), 80))
		for _, owner := range owners[text] {
			fmt.Fprintln(&out, owner)
		}
		fmt.Fprintf(&out, "\n%s\n", text)
	}
	return out.Bytes()
}
