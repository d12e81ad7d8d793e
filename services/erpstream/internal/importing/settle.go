package importing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

// resultFile names the result where it is checked.
const resultFile = "import"

// settle checks the documents as flow check does and takes away what does not pass, until all does.
func (im *importer) settle() error {
	for {
		err := im.check()
		if err == nil {
			return nil
		}
		taken := false
		for _, e := range faults(err) {
			taken = im.takeAway(e) || taken
		}
		if !taken {
			return fmt.Errorf("the import gives documents that do not pass the check: %w", err)
		}
	}
}

// check checks the result with the documents that are there, and with stand-ins for those that are not.
func (im *importer) check() error {
	docs, err := flow.Parse(resultFile, []byte(im.text()))
	if err != nil {
		return err
	}
	stood, err := flow.Parse("stand-ins", []byte(im.standIns()))
	if err != nil {
		return err
	}
	set := im.opts.With.With(stood...).With(docs...)
	var own []error
	for _, e := range faults(check.Set(set)) {
		if e.File == resultFile {
			own = append(own, e)
		}
	}
	return errors.Join(own...)
}

// standIns are documents for what the result refers to and nobody gave.
func (im *importer) standIns() string {
	var b strings.Builder
	for _, n := range im.needs() {
		if n.Kind == "connection" {
			standInConnection(&b, n.Name, n.System, im.feed.Edition)
		} else {
			im.standInReference(&b, n)
		}
	}
	return b.String()
}

func standInConnection(b *strings.Builder, name, system, edition string) {
	fmt.Fprintf(b, "---\nconnection: %s\nsystem: %s\nendpoint: sandbox\n", name, system)
	if edition != "" && system == "wangdiantong" {
		fmt.Fprintf(b, "settings: {edition: %s}\n", edition)
	}
}

// standInReference is a flow that keeps the fields of a collection that nobody keeps.
func (im *importer) standInReference(b *strings.Builder, n Need) {
	name := "stand-in-" + dashed(n.Name)
	from, err := feed.Get(n.Name)
	if err != nil {
		from = im.feed
	}
	standInConnection(b, name+"-of", from.System, from.Edition)
	fmt.Fprintf(b, "---\nsource: %s\nconnection: %s-of\nfeed: %s\nevery: 5m\nstart: 2026-01-01\n", name, name, from.Name)
	fmt.Fprintf(b, "---\nflow: %s\nfrom: %s\ntarget:\n  kind: reference\n  connection: %s\n  message: erpstream.reference.v1.Entry\n  options: {collection: %s}\n",
		name, name, im.opts.TargetConnection, n.Name)
	fmt.Fprintf(b, "map:\n  collection: '%q'\n  id: record.id\n  fields:\n    map:\n", n.Name)
	for _, field := range n.Fields {
		fmt.Fprintf(b, "      %s: record.x\n", yamlKey(field))
	}
}

// faults returns the faults that an error joins.
func faults(err error) []*flow.Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*flow.Error
		for _, e := range joined.Unwrap() {
			all = append(all, faults(e)...)
		}
		return all
	}
	if one, ok := errors.AsType[*flow.Error](err); ok {
		return []*flow.Error{one}
	}
	return nil
}

// takeAway takes the value away that a fault is about. It returns false when there is none.
func (im *importer) takeAway(e *flow.Error) bool {
	why := finding(Unsupported, im.target.file, im.target.root.at, "", e.Msg)
	if e.Path == "where" && im.where != nil && im.where.text != "" {
		im.block(im.source.root.get("condition"), errors.New(e.Msg))
		return true
	}
	if name, ok := strings.CutPrefix(e.Path, "request."); ok {
		return dropFrom(im.request, []string{name}, why)
	}
	steps := slices.DeleteFunc(strings.Split(e.Path, "."), func(s string) bool { return s == "map" || s == "each" || s == "value" })
	return dropFrom(im.fields, steps, why)
}

// dropFrom drops the field that a path leads to, or the nearest around it.
func dropFrom(fields []*field, steps []string, why Finding) bool {
	if len(steps) == 0 {
		return false
	}
	f := named(fields, steps[0])
	if f == nil {
		return false
	}
	if f.nested && dropFrom(f.fields, steps[1:], why) {
		return true
	}
	if f.text == "" && !f.nested || f.text == "null" && f.required {
		return false
	}
	if why.Text = shorten(f.text + f.each); f.origin.File != "" {
		msg := why.Message
		why = f.origin
		why.Kind, why.Message = Unsupported, why.Message+": "+msg
	}
	f.drop(why)
	return true
}
