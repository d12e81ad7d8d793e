package importing

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/erpstream/erpstream/proto/contract"
)

// text writes the documents.
func (im *importer) text() string {
	var b strings.Builder
	im.writeSource(&b)
	b.WriteString("---\n")
	im.writeFlow(&b)
	return b.String()
}

func (im *importer) writeSource(b *strings.Builder) {
	fmt.Fprintf(b, "# %s (%s), imported from %s.\n", oneLine(im.feed.Title), im.feed.Name, oneLine(im.source.file))
	writeHead(b, im.sourceHead)
	fmt.Fprintf(b, "source: %s\nconnection: %s\nfeed: %s\nevery: %s\n", im.opts.Source, im.opts.SourceConnection, im.feed.Name, interval(im.opts.Every))
	if im.opts.Start != "" {
		fmt.Fprintf(b, "start: %s\n", yamlStart(im.opts.Start))
	}
	sent := false
	for _, f := range im.request {
		for _, one := range f.findings {
			fmt.Fprintln(b, one.comment())
		}
		sent = sent || f.written()
	}
	if !sent {
		return
	}
	b.WriteString("request:\n")
	for _, f := range im.request {
		if f.written() {
			fmt.Fprintf(b, "  %s: %s\n", yamlKey(f.name), f.text)
		}
	}
}

func (im *importer) writeFlow(b *strings.Builder) {
	what := contract.Document(im.md).GetEndpoint()
	if t := contract.Table(im.md); t != nil {
		what = "table " + t.GetName()
	}
	fmt.Fprintf(b, "# %s to %s, imported from %s.\n", oneLine(im.feed.Title), what, oneLine(im.target.file))
	writeHead(b, im.flowHead)
	fmt.Fprintf(b, "flow: %s\nfrom: %s\n", im.opts.Flow, im.opts.Source)
	if im.where != nil {
		im.where.write(b, "")
	}
	if im.blocked {
		b.WriteString("quality:\n  - {rule: \"false\", else: dead}\n")
	}
	fmt.Fprintf(b, "target:\n  kind: %s\n  connection: %s\n  message: %s\n", im.system, im.opts.TargetConnection, im.md.FullName())
	if len(im.options) > 0 {
		fmt.Fprintf(b, "  options: {%s}\n", strings.Join(im.options, ", "))
	}
	if !hasWritten(im.fields) {
		b.WriteString("map: {}\n")
	} else {
		b.WriteString("map:\n")
	}
	for _, f := range im.fields {
		f.write(b, "  ")
	}
}

// interval writes a length of time without parts that are zero: 5m, not 5m0s.
func interval(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var plainTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[0-9T:+Z-]*$`)

// yamlStart writes a time as people do, without quotes.
func yamlStart(text string) string {
	if plainTime.MatchString(text) {
		return text
	}
	return quote(text)
}

func hasWritten(fields []*field) bool {
	for _, f := range fields {
		if f.written() {
			return true
		}
	}
	return false
}

// writeHead writes what is said of a document as a whole.
func writeHead(b *strings.Builder, findings []Finding) {
	for _, f := range findings {
		fmt.Fprintln(b, f.comment())
	}
}

// oneLine keeps a name within a comment.
func oneLine(name string) string { return shorten(name) }
