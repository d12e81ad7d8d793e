// Package importing turns the metadata (元数据) of 轻易云, the platform that many users come from, into
// documents: a source and a flow. What has no counterpart, what the metadata leaves out, and what had to
// be guessed is named where it belongs, and in a report; the result passes the check in any case.
// Nothing is asked over a network, and the metadata is not trusted.
package importing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/topology"
)

// File is a file that was read.
type File struct {
	Name string
	Data []byte
}

// Options say what the metadata does not. All may be left out.
type Options struct {
	// Source and Flow name the documents; they follow from the feed and the target's system otherwise.
	Source, Flow string
	// SourceConnection and TargetConnection name the connections; otherwise it is the only one of that
	// system in With, or the name that the shipped documents have.
	SourceConnection, TargetConnection string
	// Feed and Message are for an api that is not known by its name.
	Feed, Message string
	// Start is where polling begins, as a source document has it. Without it that is the day of Now,
	// which is a guess.
	Start string
	// Every is the time between two polls; 0 is five minutes.
	Every time.Duration
	// Collections names the collection of master data for the id of a scheme of the platform, or for
	// the field of the target that a look-up fills.
	Collections map[string]string
	// With are the documents that are there already.
	With flow.Set
	// Sample is a record of the feed, or a list of some, as JSON: it tells which fields are those of
	// a line. Without it that is the recorded sample of the feed.
	Sample File
	// Now is the time of the import.
	Now time.Time
}

// Import makes documents of the metadata of a scheme: that of its source side (源平台) and that of its
// target side (目标平台). The error is a *flow.Error with file, line and column when a file can't be
// read or names something unknown, else it says which option is wrong.
func Import(source, target File, o Options) (Result, error) {
	im := &importer{opts: o, uses: map[string][]string{}, filters: map[string][]string{}}
	if err := im.read(source, target); err != nil {
		return Result{}, err
	}
	if err := im.name(); err != nil {
		return Result{}, err
	}
	im.leftovers(im.source, sourceKeys)
	im.leftovers(im.target, targetKeys)
	im.sourceDocument()
	im.lay()
	im.conditions()
	im.flowDocument()
	if err := im.settle(); err != nil {
		return Result{}, err
	}
	return im.result(), nil
}

// importer is one import.
type importer struct {
	opts           Options
	source, target *scheme
	sample         *node
	feed           feed.Feed
	md             protoreflect.MessageDescriptor
	// system is that of the target.
	system string

	// The documents as far as they are made.
	request []*field
	where   *field
	// blocked is set when the condition could not be carried over: no record may go on then.
	blocked bool
	fields  []*field
	options []string
	// heads are the findings that belong to no field, above the document that they are about.
	sourceHead, flowHead []Finding

	// filters are conditions for the lines of a list, by the list; flat is the list that was flattened.
	filters map[string][]string
	flat    string
	// uses are the fields of master data that look-ups read, by collection.
	uses map[string][]string
}

// read reads both files and finds the feed and the message.
func (im *importer) read(source, target File) (err error) {
	if im.source, err = readScheme(source.Name, source.Data); err != nil {
		return err
	}
	if im.target, err = readScheme(target.Name, target.Data); err != nil {
		return err
	}
	if im.feed, err = findFeed(im.source, im.opts.Feed); err != nil {
		return err
	}
	if im.md, err = findMessage(im.target, im.opts.Message); err != nil {
		return err
	}
	im.system = systemOf(im.md)
	file := im.opts.Sample
	if file.Name == "" {
		if file.Data, err = samples.Answer(im.feed); err != nil {
			return nil //nolint:nilerr // a feed without a sample: names within lines stay open then
		}
		file.Name = im.feed.Name
	}
	sample, err := parseJSON(file.Name, file.Data)
	if err == nil {
		im.sample = firstRecord(sample, im.feed.Rows)
	}
	return err
}

// firstRecord returns a record of a sample: the first of a list, also where it stands in an answer of
// the vendor.
func firstRecord(n *node, rows string) *node {
	switch {
	case n.kind == kindList && len(n.items) > 0:
		return firstRecord(n.items[0], rows)
	case n.get(rows) != nil:
		return firstRecord(n.get(rows), rows)
	case n.get("data").get(rows) != nil:
		return firstRecord(n.get("data").get(rows), rows)
	default:
		return n
	}
}

// The connections of the shipped documents, by system and edition.
var usualConnections = map[string]string{
	"jushuitan": "jst-main", "wangdiantong": "wdt-main", "wangdiantong flagship": "wdt-flagship",
	"kingdee": "kd-main", "kis": "kis-main", "mysql": "bi-main",
}

// name settles what the documents and their connections are called.
func (im *importer) name() error {
	o := &im.opts
	o.SourceConnection = cmp.Or(o.SourceConnection, im.connection(im.feed.System, im.feed.Edition))
	o.TargetConnection = cmp.Or(o.TargetConnection, im.connection(im.system, ""))
	o.Source = cmp.Or(o.Source, dashed(im.feed.Name))
	o.Flow = cmp.Or(o.Flow, o.Source+"-to-"+im.system)
	o.Every = cmp.Or(o.Every, 5*time.Minute)
	for _, name := range []string{o.Source, o.Flow, o.SourceConnection, o.TargetConnection} {
		if err := topology.CheckName(name); err != nil {
			return err
		}
	}
	return nil
}

// dashed is the name of a feed as the name of a document.
func dashed(name string) string {
	text := []byte(name)
	for i, c := range text {
		if c == '.' {
			text[i] = '-'
		}
	}
	return string(text)
}

// connection returns the only connection of a system and edition that there is, else the usual name.
func (im *importer) connection(system, edition string) string {
	var found []string
	for name, c := range im.opts.With.Connections {
		if c.System == system && (edition == "" || c.Settings["edition"] == edition) {
			found = append(found, name)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	if usual, ok := usualConnections[system+" "+edition]; ok {
		return usual
	}
	return cmp.Or(usualConnections[system], system+"-main")
}

// translator returns the translator for a place of the target.
func (im *importer) translator(s scope, field string, strict bool) translator {
	s.sample = im.sample
	for _, rule := range im.source.root.get("formatResponse").list() {
		s.made = append(s.made, rule.get("new").scalar())
	}
	return translator{scope: s, strict: strict, field: field, collection: im.collection}
}

// result gathers what was made.
func (im *importer) result() Result {
	r := Result{Source: im.opts.Source, Flow: im.opts.Flow, Text: im.text(), Findings: []Finding{}, Needs: im.needs()}
	r.Findings = append(r.Findings, im.sourceHead...)
	for _, f := range im.request {
		r.Findings = append(r.Findings, f.all("")...)
	}
	r.Findings = append(r.Findings, im.flowHead...)
	if im.where != nil {
		r.Findings = append(r.Findings, im.where.all("")...)
	}
	for _, f := range im.fields {
		r.Findings = append(r.Findings, f.all("map.")...)
	}
	r.Complete = len(r.Open()) == 0
	return r
}

// needs are the documents that the result refers to and that are not there.
func (im *importer) needs() []Need {
	needs := []Need{}
	for name, system := range map[string]string{im.opts.SourceConnection: im.feed.System, im.opts.TargetConnection: im.system} {
		if _, ok := im.opts.With.Connections[name]; !ok {
			needs = append(needs, Need{Kind: "connection", Name: name, System: system})
		}
	}
	for collection, fields := range im.uses {
		if lacking := im.lacking(collection, fields); len(lacking) > 0 {
			needs = append(needs, Need{Kind: "reference", Name: collection, System: im.system, Fields: lacking})
		}
	}
	slices.SortFunc(needs, func(a, b Need) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return needs
}

// wanting is an error about what a side must say, at its api or where it begins.
func (s *scheme) wanting(format string, args ...any) error {
	at := spec.Pos{Line: s.root.at.Line, Column: s.root.at.Column}
	if s.api != nil {
		at = s.api.at
	}
	return fault(s.file, at, fmt.Sprintf(format, args...))
}
