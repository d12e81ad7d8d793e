package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/erpstream/erpstream/pkg/flow"
)

// gathered are flows and tests from files, with what they refer to.
type gathered struct {
	set flow.Set
	// named are the flows that the user gave, or gave tests of.
	named []string
	// tests are those of each flow.
	tests map[string][]flow.Document
	// unread says which neighbours could not be read: it is the reason when something is missing.
	unread error
}

// flows returns the names of the flows that are tested, sorted: those that were given, but of many only
// those with tests.
func (g gathered) flows() []string {
	var names []string
	for _, name := range g.named {
		if len(g.named) == 1 || len(g.tests[name]) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// gather reads files and folders, and what belongs to them from a folder.
func gather(stdin io.Reader, args []string, config string) (gathered, error) {
	given, err := readDocuments(stdin, args)
	if err != nil {
		return gathered{}, err
	}
	g := gathered{tests: map[string][]flow.Document{}}
	for _, d := range given {
		if d.Kind == flow.KindFlow || d.Kind == flow.KindTests {
			g.named = append(g.named, d.Name)
		}
	}
	slices.Sort(g.named)
	g.named = slices.Compact(g.named)
	if len(g.named) == 0 {
		return g, fmt.Errorf("no flow and no tests in %v", args)
	}
	neighbours, err := g.neighbours(args, config)
	if err != nil {
		return g, err
	}
	g.set = flow.Set{}.With(neighbours...).With(given...)
	flows := flow.Set{}.With(given...).Flows
	for _, d := range given {
		if d.Kind == flow.KindTests {
			g.tests[d.Name] = append(g.tests[d.Name], d)
		}
	}
	for _, d := range neighbours { // who gives tests wants those, who gives a flow all of its
		if _, ok := flows[d.Name]; ok && d.Kind == flow.KindTests {
			g.tests[d.Name] = append(g.tests[d.Name], d)
		}
	}
	return g, nil
}

// neighbours reads the documents of the folder of configuration, and of those that it follows from when none
// is given. What was not asked for may be broken: it is noted and left out.
func (g *gathered) neighbours(args []string, config string) ([]flow.Document, error) {
	folders := []string{config}
	if config == "" {
		folders = homes(args)
	}
	given := map[string]bool{}
	for _, name := range args {
		files, _ := yamlFiles(name) // they were read before
		for _, file := range files {
			given[filepath.Clean(file)] = true
		}
	}
	var all []flow.Document
	for _, folder := range folders {
		files, err := yamlFiles(folder)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if given[filepath.Clean(file)] {
				continue
			}
			given[filepath.Clean(file)] = true
			docs, err := readDocuments(nil, []string{file})
			if err != nil {
				g.unread = errors.Join(g.unread, fmt.Errorf("not taken into account: %w", err))
				continue
			}
			all = append(all, docs...)
		}
	}
	return all, nil
}

// homes returns the folders of configuration that files and folders lie in.
func homes(args []string) []string {
	var folders []string
	for _, name := range args {
		folder := filepath.Dir(name)
		if files, err := yamlFiles(name); err != nil || len(files) != 1 || files[0] != name {
			folder = name // a folder
		}
		if name == "-" {
			folder = "."
		}
		if slices.Contains([]string{"flows", "sources", "connections", "tests"}, filepath.Base(folder)) {
			folder = filepath.Dir(folder)
		}
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}
