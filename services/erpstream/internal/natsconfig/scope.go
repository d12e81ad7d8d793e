package natsconfig

import (
	"slices"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
)

// ScopeOf names what documents have: roles of that scope may do what these need.
func ScopeOf(set flow.Set) topology.Scope {
	s := topology.Scope{Polled: map[string][]string{}, Sources: map[string][]string{}, Written: map[string][]string{}, Flows: set.Names(flow.KindFlow)}
	for _, name := range set.Names(flow.KindSource) {
		source := set.Sources[name]
		system := set.Connections[source.Connection].System
		s.Sources[system] = append(s.Sources[system], name)
		s.Polled[system] = with(s.Polled[system], source.Connection)
	}
	for _, name := range s.Flows {
		target := set.Flows[name].Target
		s.Written[target.Kind] = with(s.Written[target.Kind], target.Connection)
	}
	return s
}

// with adds a name once.
func with(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}
