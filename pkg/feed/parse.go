package feed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Parse reads one descriptor. Unknown fields, missing fields and impossible values are errors; the
// error joins all that is missing or does not fit together.
func Parse(data []byte) (Feed, error) {
	f, err := decode(data)
	if err != nil {
		return Feed{}, err
	}
	location, err := time.LoadLocation(f.Zone)
	if err != nil {
		return Feed{}, fmt.Errorf("zone: %w", err)
	}
	f.location = location
	f.RowVersion.Field = cmp.Or(f.RowVersion.Field, f.Version)
	return f, errors.Join(slices.Concat(f.check(), f.checkTime(), f.checkRowVersion(), f.checkDetails())...)
}

// decode reads the fields of a descriptor.
func decode(data []byte) (f Feed, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder is not ours
			err = fmt.Errorf("YAML can't be read: %v", p)
		}
	}()
	err = yaml.UnmarshalWithOptions(data, &f, yaml.Strict())
	return f, err
}

// faults collects what is wrong with a descriptor.
type faults []error

func (e *faults) need(ok bool, what string) {
	if !ok {
		*e = append(*e, errors.New(what))
	}
}

// check looks at what every feed has.
func (f Feed) check() (e faults) {
	e.need(f.System != "" && strings.HasPrefix(f.Name, f.System+"."), "feed must be named <system>.<api>")
	e.need(f.Path != "", "path is missing")
	e.need(f.Zone != "", "zone is missing")
	e.need(f.Rows != "", "rows is missing")
	e.need(len(f.Key) > 0 && !slices.Contains(f.Key, ""), "key is missing")
	e.need(f.Edition == strings.ToLower(strings.TrimSpace(f.Edition)), "edition must be in lower case")
	e.need(f.Window.Settle >= 0 && f.Window.Overlap >= 0, "settle and overlap can't be negative")
	e.need(f.Paging.Index != "" && f.Paging.Size != "" && f.Paging.Max > 0, "paging needs index, size and max")
	return e
}

// checkTime looks at how documents are found by their time, which snapshots are not.
func (f Feed) checkTime() (e faults) {
	w := f.Window
	if f.Snapshot {
		e.need(f.Modified == "" && f.Version == "", "the documents of a snapshot have the time of reading for a version: it takes no modified and no version")
		e.need(w.Begin == "" && w.End == "" && w.Max == 0, "a snapshot is read whole: its window has a settle at most")
		return e
	}
	e.need(f.Modified != "" && len(f.Layouts) > 0, "modified needs a field and layouts")
	e.need(w.Begin != "" && w.End != "" && w.Layout != "", "window needs begin, end and layout")
	e.need(w.Resolution > 0 && w.Max > w.Resolution, "window needs a resolution smaller than its max")
	return e
}

// checkRowVersion looks at how documents are found by row version.
func (f Feed) checkRowVersion() (e faults) {
	v := f.RowVersion
	if v.Param == "" {
		e.need(len(v.Request) == 0 && len(v.Count) == 0 && v.Field == f.Version, "row_version needs param")
		return e
	}
	e.need(!f.Snapshot, "a snapshot is read whole: it takes no row_version")
	e.need(v.Field != "", "row_version needs field, the name of the row version in a document, where that is not version")
	return e
}

// checkDetails looks at how whole documents are had.
func (f Feed) checkDetails() (e faults) {
	d := f.Details
	if d.Path == "" {
		e.need(d == Details{}, "details needs path")
		return e
	}
	e.need(d.IDs != "" && d.From != "" && d.Rows != "" && d.Max > 0, "details needs ids, from, rows and max")
	return e
}
