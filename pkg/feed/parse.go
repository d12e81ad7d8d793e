package feed

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Parse reads one descriptor. Unknown fields, missing fields and impossible values are errors.
func Parse(data []byte) (Feed, error) {
	var f Feed
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return Feed{}, err
	}
	location, err := time.LoadLocation(f.Zone)
	if err != nil {
		return Feed{}, fmt.Errorf("zone: %w", err)
	}
	f.location = location
	return f, f.check()
}

func (f Feed) check() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(f.System != "" && strings.HasPrefix(f.Name, f.System+"."), "feed must be named <system>.<api>")
	need(f.Path != "", "path is missing")
	need(f.Zone != "", "zone is missing")
	need(len(f.Key) > 0, "key is missing")
	need(f.Modified != "" && len(f.Layouts) > 0, "modified needs a field and layouts")
	need(f.Window.Begin != "" && f.Window.End != "" && f.Window.Layout != "", "window needs begin, end and layout")
	need(f.Window.Resolution > 0 && f.Window.Max > f.Window.Resolution, "window needs a resolution smaller than its max")
	need(f.Window.Settle >= 0 && f.Window.Overlap >= 0, "settle and overlap can't be negative")
	need(f.Paging.Index != "" && f.Paging.Size != "" && f.Paging.Max > 0, "paging needs index, size and max")
	return errors.Join(errs...)
}
