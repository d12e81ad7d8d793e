package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	gcr "github.com/google/go-containerregistry/pkg/v1"

	"github.com/erpstream/erpstream/tools/images/internal/licence"
	"github.com/erpstream/erpstream/tools/images/internal/program"
)

// ownLicence is the house's.
const ownLicence = "Apache-2.0"

// shipped is what is known of the programs before they are built.
type shipped struct {
	services []program.Service
	// toolchain is the version of Go as a module that all programs carry.
	toolchain program.Module
	// licences are those of the modules in each program: of the part that is in that program, so an
	// image does not depend on what else is made.
	licences map[build]map[string]licence.Licence
	// own is the text of the house's licence.
	own []byte
}

// build is a service for a platform.
type build struct{ service, platform string }

// survey finds the services and the licences of what is linked into them. It refuses a program that
// can't work in an image, and a module without a known licence: its terms could not be passed on.
func survey(ctx context.Context, tree program.Tree, opts options) (s shipped, err error) {
	s.licences = map[build]map[string]licence.Licence{}
	if s.toolchain, err = tree.Go(ctx); err != nil {
		return s, err
	}
	for _, platform := range opts.platforms {
		if s.services, err = tree.Services(ctx, opts.services, platform); err != nil {
			return s, err
		}
		for _, service := range s.services {
			err = errors.Join(err, s.add(service, platform))
		}
		if err != nil {
			return s, err
		}
	}
	s.own, err = os.ReadFile(filepath.Join(tree.Dir, "LICENSE"))
	return s, err
}

// add takes in what is linked into a service.
func (s shipped) add(service program.Service, platform gcr.Platform) (err error) {
	if !service.Zones {
		err = fmt.Errorf(
			"services/%[1]s finds no time zone in its image, which has no zone files: import _ \"time/tzdata\" in services/%[1]s/main.go", service.Name)
	}
	licences := map[string]licence.Licence{}
	for _, module := range slices.Insert(service.Modules, 0, s.toolchain) {
		terms, readErr := licence.Of(module.Dir, module.Folders)
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("services/%s: licence of %s: %w", service.Name, module, readErr))
		}
		licences[module.String()] = terms
	}
	s.licences[build{service.Name, platform.String()}] = licences
	return err
}
