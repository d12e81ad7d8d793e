package flow

import (
	"maps"
	"slices"
)

// Set is all the documents that belong together, by name.
type Set struct {
	Connections map[string]Connection
	Sources     map[string]Source
	Flows       map[string]Flow
}

// With returns a set that has the documents too, in the place of those of the same kind and
// name. It does not change s.
func (s Set) With(documents ...Document) Set {
	t := s.clone()
	for _, d := range documents {
		switch {
		case d.Connection != nil:
			t.Connections[d.Name] = *d.Connection
		case d.Source != nil:
			t.Sources[d.Name] = *d.Source
		case d.Flow != nil:
			t.Flows[d.Name] = *d.Flow
		}
	}
	return t
}

// Without returns a set that lacks a document. It does not change s.
func (s Set) Without(kind, name string) Set {
	t := s.clone()
	switch kind {
	case KindConnection:
		delete(t.Connections, name)
	case KindSource:
		delete(t.Sources, name)
	case KindFlow:
		delete(t.Flows, name)
	}
	return t
}

func (s Set) clone() Set {
	t := Set{Connections: maps.Clone(s.Connections), Sources: maps.Clone(s.Sources), Flows: maps.Clone(s.Flows)}
	if t.Connections == nil {
		t.Connections = map[string]Connection{}
	}
	if t.Sources == nil {
		t.Sources = map[string]Source{}
	}
	if t.Flows == nil {
		t.Flows = map[string]Flow{}
	}
	return t
}

// Names returns the names of a set's documents of a kind, sorted.
func (s Set) Names(kind string) []string {
	switch kind {
	case KindConnection:
		return slices.Sorted(maps.Keys(s.Connections))
	case KindSource:
		return slices.Sorted(maps.Keys(s.Sources))
	case KindFlow:
		return slices.Sorted(maps.Keys(s.Flows))
	default:
		return nil
	}
}
