package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// helps is what the services say of themselves with --help.
type helps struct {
	root  string
	known map[string]string // by service and command
}

func newHelps(root string) *helps { return &helps{root: root, known: map[string]string{}} }

// of runs a service of the tree with --help behind args. An unknown command is an error.
func (h *helps) of(ctx context.Context, service string, args ...string) (string, error) {
	key := strings.Join(append([]string{service}, args...), " ")
	if text, ok := h.known[key]; ok {
		return text, nil
	}
	text, err := h.run(ctx, service, append(args, "--help")...)
	if err != nil {
		return "", fmt.Errorf("%s --help: %w\n%s", key, err, text)
	}
	h.known[key] = text
	return text, nil
}

// run runs a service of the tree, and returns all that it prints, after an error too.
func (h *helps) run(ctx context.Context, service string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"-C", filepath.Join("services", service), "run", "."}, args...)...)
	cmd.Dir = h.root
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	return exitLine.ReplaceAllLiteralString(text.String(), ""), err
}

// exitLine is what `go run` says after a program that fails.
var exitLine = regexp.MustCompile(`\n*exit status [0-9]+\n$`)

// variable finds the names of variables in a help text: at the start of a line, in a list there, or in brackets
// behind a flag.
var variable = regexp.MustCompile(`(?m)(?:^  |\(|, )([A-Z][A-Z0-9_]+\*?)`)

// ofGo are variables that Go itself reads in every program.
var ofGo = []string{"GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG"}

// environment demands that every variable and every flag in a manifest is one that the service knows: it would
// take no notice of others.
func (c *checker) environment(ctx context.Context, w workload) (faults []fault, err error) {
	for _, p := range w.containers() {
		service, command := runs(p.Image), []string(nil)
		if service == "erpstream" && len(p.Args) > 0 {
			command = p.Args[:1]
		}
		text, err := c.help.of(ctx, service, command...)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", w, p.at, err)
		}
		var known []string
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			known = append(known, m[1])
		}
		for i, e := range p.Env {
			if !slices.Contains(ofGo, e.Name) && !slices.ContainsFunc(known, func(name string) bool { return matches(name, e.Name) }) {
				faults = append(faults, w.faultf(fmt.Sprintf("%s.env[%d].name", p.at, i), "%s --help knows no %s", strings.Join(append([]string{service}, command...), " "), e.Name))
			}
		}
		for i, arg := range p.Args {
			name, _, _ := strings.Cut(arg, "=")
			if name = strings.TrimLeft(name, "-"); name != arg && strings.HasPrefix(arg, "-") && !strings.Contains(text, "-"+name+" ") {
				faults = append(faults, w.faultf(fmt.Sprintf("%s.args[%d]", p.at, i), "%s --help knows no flag %s", service, arg))
			}
		}
	}
	return faults, nil
}

// matches reports whether a name from a help text, which may end in *, stands for a variable.
func matches(known, name string) bool {
	if prefix, open := strings.CutSuffix(known, "*"); open {
		return strings.HasPrefix(name, prefix)
	}
	return known == name
}
