package program

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// listing is what go list prints, by import path.
type listing map[string]listed

// listed is a package.
type listed struct {
	ImportPath, Dir, Name, Doc string
	Deps                       []string
	Module                     *struct {
		Path, Version, Dir string
		Main               bool
	}
}

func readList(out []byte) (listing, error) {
	l := listing{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what go list prints: %w", err)
		}
		l[p.ImportPath] = p
	}
}

// service returns the service of that name, which is in the listing.
func (l listing) service(name string) Service {
	var main listed
	for _, p := range l {
		if p.Name == "main" && strings.HasSuffix(p.ImportPath, "/services/"+name) {
			main = p
		}
	}
	return Service{
		Name: name, Description: main.Doc, Zones: slices.Contains(main.Deps, "time/tzdata"), Modules: l.modules(main.Deps),
	}
}

// modules returns those that the packages are of, but the standard library and the house's own.
func (l listing) modules(packages []string) []Module {
	modules := map[string]Module{}
	for _, path := range packages {
		p := l[path]
		if p.Module == nil || p.Module.Main {
			continue
		}
		m := modules[p.Module.Path]
		m.Path, m.Version, m.Dir = p.Module.Path, p.Module.Version, p.Module.Dir
		m.Folders = append(m.Folders, p.Dir)
		modules[m.Path] = m
	}
	return sorted(modules)
}

// Union returns the modules that are linked into any of the services, by path, and for each the
// names of the services that carry it.
func Union(services []Service) (modules []Module, carriers map[string][]string) {
	all := map[string]Module{}
	carriers = map[string][]string{}
	for _, s := range services {
		for _, m := range s.Modules {
			m.Folders = slices.Concat(all[m.Path].Folders, m.Folders)
			all[m.Path] = m
			carriers[m.Path] = append(carriers[m.Path], s.Name)
		}
	}
	for path, names := range carriers {
		slices.Sort(names)
		carriers[path] = slices.Compact(names)
	}
	return sorted(all), carriers
}

// sorted returns the modules by path, each with its folders sorted.
func sorted(modules map[string]Module) []Module {
	list := slices.SortedFunc(maps.Values(modules), func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	for i := range list {
		slices.Sort(list[i].Folders)
		list[i].Folders = slices.Compact(list[i].Folders)
	}
	return list
}
