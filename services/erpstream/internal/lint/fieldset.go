package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// fieldset is what is known of the fields of a source's records.
type fieldset struct{ fields []samples.Field }

// shape returns what is known of the records of a source; whole says that a field which is not among
// them is likely none.
func (l *linter) shape(source string, from feed.Feed) (s fieldset, whole bool) {
	s.fields, _ = samples.Fields(from) // a feed without a sample has no fields that are known
	seen := l.seen[source]
	for _, one := range seen.Fields {
		if i := s.index(one.Path); i >= 0 {
			s.fields[i].Types = append(s.fields[i].Types, one.Types...)
		} else {
			s.fields = append(s.fields, one)
		}
	}
	for i := range s.fields {
		types := slices.Compact(slices.Sorted(slices.Values(s.fields[i].Types)))
		if len(types) > 1 {
			types = slices.DeleteFunc(types, func(t string) bool { return t == samples.Null })
		}
		s.fields[i].Types = types
	}
	return s, from.SampleWhole || seen.Records >= enough
}

func (s fieldset) index(path string) int {
	return slices.IndexFunc(s.fields, func(f samples.Field) bool { return f.Path == path })
}

// below returns the paths right below one; "" is the record.
func (s fieldset) below(path string) []string {
	var paths []string
	for _, f := range s.fields {
		if parent, _ := cut(f.Path); parent == path {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// cut splits a path into what its last field is in, and that field with its [].
func cut(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// miss is a field that records don't have. It is sure where what it is in can't have it.
type miss struct {
	path, why string
	sure      bool
}

// misses returns the first part of a path that no record has; none where all is there, or where nobody can
// tell because what it is in was empty each time.
func (s fieldset) misses(path string) miss {
	if len(s.fields) == 0 {
		return miss{}
	}
	parts, at := strings.Split(path, "."), ""
	for i, part := range parts {
		name := strings.TrimRight(part, "[]")
		here := strings.TrimPrefix(at+"."+name, ".")
		k := s.index(here)
		switch {
		case k < 0 && (len(s.below(at)) == 0 && at != "" || s.index(strings.TrimPrefix(at+".*", ".")) >= 0):
			return miss{} // what it is in was empty each time, or its names are data
		case k < 0:
			return miss{here, "records have no field " + here, false}
		}
		kinds := s.fields[k].Types
		listed, isList := strings.HasSuffix(part, "[]"), slices.Contains(kinds, samples.List)
		last := i == len(parts)-1
		switch {
		case slices.Contains(kinds, samples.Null):
			return miss{}
		case isList && !listed && !last:
			return miss{here + "." + parts[i+1], fmt.Sprintf("%s is a list: read it with each, or one element as %s[0].%s", here, here, parts[i+1]), true}
		case !isList && !last && !slices.Contains(kinds, samples.Object):
			return miss{here + "." + parts[i+1], fmt.Sprintf("%s is %s, which has no field %s", here, strings.Join(kinds, " or "), parts[i+1]), true}
		}
		at = strings.TrimPrefix(at+"."+part, ".")
	}
	return miss{}
}

// near returns the field that is most like one that is missing: beside it, or of its name elsewhere.
func (s fieldset) near(missing string) string {
	parent, name := cut(missing)
	var beside []string
	for _, path := range s.below(parent) {
		_, sibling := cut(path)
		beside = append(beside, strings.TrimSuffix(sibling, "[]"))
	}
	if near := spec.Suggest(name, beside); near != "" {
		return near
	}
	for _, f := range s.fields {
		if _, other := cut(f.Path); other == name {
			return f.Path
		}
	}
	return ""
}

// isRead reports whether a flow reads a field, or all of what it is in without a further word.
func (s fieldset) isRead(path string, read map[string]bool) bool {
	if read[path] || read[path+"[]"] {
		return true
	}
	for parent := path; parent != ""; parent, _ = cut(parent) {
		if read[parent] && len(s.below(parent)) > 0 && !strings.HasSuffix(parent, "[]") && parent != path {
			return true
		}
	}
	return false
}
