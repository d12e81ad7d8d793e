package flow

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Systems are the systems that this release knows, sorted. A connection may lead to another one,
// for sinks of other teams; a name that is nearly one of these is a mistake.
var Systems = []string{"jushuitan", "kingdee", "kis", "mysql", "wangdiantong"}

const sandboxEndpoint = "sandbox"

var kinds = []string{KindConnection, KindSource, KindFlow, KindTests}

// Parse reads the documents of a YAML stream. Each is strict: an unknown field, a wrong type and
// a missing field are faults, and so are two documents of one kind and name. The error joins all
// faults as *Error; the documents without a fault are returned beside it. file names the stream
// in errors and is not opened. Whether documents fit together is package check's question.
func Parse(file string, data []byte) ([]Document, error) {
	if err := bound(file, data); err != nil {
		return nil, err
	}
	var documents []Document
	var errs []error
	for _, c := range split(string(data)) {
		d, faults := parseOne(file, c)
		errs = append(errs, faults...)
		switch {
		case d == nil || len(faults) > 0:
		case slices.ContainsFunc(documents, func(o Document) bool { return o.Kind == d.Kind && o.Name == d.Name }):
			errs = append(errs, &Error{File: file, Line: d.Line, Column: 1, Path: d.Kind, Msg: fmt.Sprintf("there is a %s %q already in this file", d.Kind, d.Name)})
		default:
			documents = append(documents, *d)
		}
	}
	return documents, errors.Join(errs...)
}

// ParseStored reads a document from the text of a stored one, which must be of that kind and
// name.
func ParseStored(kind, name string, text []byte) (Document, error) {
	file := kind + "/" + name
	documents, err := Parse(file, text)
	switch {
	case err != nil:
		return Document{}, err
	case len(documents) != 1:
		return Document{}, &Error{File: file, Line: 1, Column: 1, Msg: fmt.Sprintf("holds %d documents, not one", len(documents))}
	case documents[0].Kind != kind || documents[0].Name != name:
		return Document{}, &Error{File: file, Line: documents[0].Line, Column: 1, Msg: fmt.Sprintf("is %s %q", documents[0].Kind, documents[0].Name)}
	default:
		return documents[0], nil
	}
}

// bound refuses what would cost more to parse than a document is worth.
func bound(file string, data []byte) error {
	fault := func(line int, format string, args ...any) error {
		return &Error{File: file, Line: line, Column: 1, Msg: fmt.Sprintf(format, args...)}
	}
	if len(data) > maxStream {
		return fault(1, "is larger than %d bytes", maxStream)
	}
	if !utf8.Valid(data) {
		return fault(1, "is not UTF-8")
	}
	line, documents, inDocument, inStream := 0, 0, 0, 0
	for text := range strings.Lines(string(data)) {
		line++
		if strings.HasPrefix(text, "---") {
			documents++
			inDocument = 0
		}
		n := marks(text)
		inDocument, inStream = inDocument+n, inStream+n
		switch {
		case len(text) > maxLine:
			return fault(line, "line is longer than %d bytes", maxLine)
		case inDocument > maxMarks:
			return fault(line, "document has more than %d keys, items and brackets", maxMarks)
		case inStream > maxStreamMarks:
			return fault(line, "has more than %d keys, items and brackets: apply it in parts", maxStreamMarks)
		case documents > maxDocuments:
			return fault(line, "has more than %d documents", maxDocuments)
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }):
			return fault(line, "holds a control character")
		}
	}
	return nil
}

// parseOne reads one document; an empty one is nil.
func parseOne(file string, c chunk) (*Document, []error) {
	r := newReader(file, c)
	root := r.parse(c.text)
	if root == nil {
		return nil, r.errs
	}
	at := r.pos(root)
	r.places[""] = at
	d := &Document{Text: c.text, File: file, Line: at.Line}
	switch r.kind(root) {
	case KindConnection:
		d.Kind, d.Connection = KindConnection, r.connection(root, at)
		d.Name = d.Connection.Name
	case KindSource:
		d.Kind, d.Source = KindSource, r.source(root, at)
		d.Name = d.Source.Name
	case KindFlow:
		d.Kind, d.Flow = KindFlow, r.flow(root, at)
		d.Name = d.Flow.Name
	case KindTests:
		d.Kind, d.Tests = KindTests, r.tests(root, at)
		d.Name = d.Tests.Flow
	}
	return d, r.errs
}

// kind returns the first key of the document that is a kind.
func (r *reader) kind(root ast.Node) string {
	probe := &reader{file: r.file, skip: r.skip, lines: r.lines, places: map[string]spec.Pos{}}
	entries := probe.entries(root, "")
	for _, e := range entries {
		if e.key == KindConnection && len(entries) > 0 && entries[0].key != KindConnection {
			continue // a source has a connection too
		}
		if slices.Contains(kinds, e.key) {
			return e.key
		}
	}
	if len(entries) == 0 {
		r.errs = append(r.errs, probe.errs...)
		return ""
	}
	r.fail(entries[0].at, entries[0].key, "a document begins with its kind and name%s", DidYouMean(entries[0].key, kinds))
	return ""
}

// name reads a name that must do as a token of a subject.
func (r *reader) name(into *string) func(entry) {
	return func(e entry) {
		if *into = r.text(e); *into == "" {
			return
		}
		if err := topology.CheckName(*into); err != nil {
			r.fail(r.pos(e.value), e.path, "%v", err)
		}
	}
}

func (r *reader) string(into *string) func(entry) {
	return func(e entry) { *into = r.text(e) }
}

func (r *reader) zone(into *string) func(entry) {
	return func(e entry) {
		*into = r.text(e)
		if _, err := time.LoadLocation(*into); err != nil || *into == "Local" {
			r.fail(r.pos(e.value), e.path, "unknown time zone %q: write one such as Asia/Shanghai", *into)
		}
	}
}

// duration reads a length of time of at least low.
func (r *reader) duration(e entry, low time.Duration) time.Duration {
	if _, ok := e.value.(*ast.IntegerNode); ok {
		r.fail(r.pos(e.value), e.path, "needs a unit, such as 30s, 5m, 24h")
		return 0
	}
	text := r.text(e)
	if text == "" {
		return 0
	}
	d, err := parseLength(text)
	switch {
	case err != nil:
		r.fail(r.pos(e.value), e.path, "%q is no length of time: write one such as 30s, 5m, 24h", text)
	case d < low:
		r.fail(r.pos(e.value), e.path, "must be at least %v", low)
	}
	return d
}

func (r *reader) connection(root ast.Node, at spec.Pos) *Connection {
	c := &Connection{TimeZone: defaultZone, at: places{r.file, r.places}}
	r.object(root, "", map[string]func(entry){
		"connection": r.name(&c.Name),
		"system":     r.name(&c.System),
		"endpoint":   r.string(&c.Endpoint),
		"time_zone":  r.zone(&c.TimeZone),
		"budget": func(e entry) {
			r.object(e.value, e.path, map[string]func(entry){
				"per_second": func(e entry) { c.Budget.PerSecond = r.count(e, 0, 100_000) },
				"per_minute": func(e entry) { c.Budget.PerMinute = r.count(e, 0, 100_000) },
			})
		},
		"settings": func(e entry) { c.Settings = r.settings(e) },
	})
	r.need(at, "", "connection", "system", "endpoint")
	if known := slices.Contains(Systems, c.System); !known && spec.Suggest(c.System, Systems) != "" {
		r.fail(r.places["system"], "system", "unknown system %q%s", c.System, DidYouMean(c.System, Systems))
	} else if c.System != "" && c.Endpoint != "" {
		if err := c.checkEndpoint(); err != nil {
			r.errs = append(r.errs, err)
		}
	}
	return c
}

// settings refuses what looks like a secret: documents are stored, logged and shown.
func (r *reader) settings(e entry) map[string]string {
	settings := r.texts(e)
	for name := range settings {
		if looksSecret(name) {
			r.fail(r.places[join(e.path, name)], join(e.path, name), "secrets don't belong into documents: put it into the file <secrets dir>/<connection>/%s", name)
		}
	}
	return settings
}

func looksSecret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	for _, part := range []string{"password", "passwd", "secret", "credential", "private_key", "partnerkey"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasSuffix(name, "token") || name == "pwd" || name == "pass" || strings.HasSuffix(name, "api_key")
}

// checkEndpoint looks at where the connection leads, and how.
func (c Connection) checkEndpoint() *Error {
	if err := checkEndpoint(c.System, c.Endpoint); err != nil {
		return c.Fault("endpoint", "%v", err)
	}
	return c.checkWay()
}

// checkEndpoint never repeats an endpoint that may hold a password.
func checkEndpoint(system, endpoint string) error {
	if endpoint == sandboxEndpoint {
		return nil
	}
	form := "https://host/path"
	if system == "mysql" {
		form = "mysql://host:port/database"
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return fmt.Errorf("is no URL: write %s or sandbox", form)
	case u.User != nil:
		return errors.New("holds credentials: put them into files <secrets dir>/<connection>/user and …/password")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return errors.New("must not have a query or fragment: use settings")
	case u.Hostname() == "":
		return fmt.Errorf("has no host: write %s or sandbox", form)
	case system == "mysql":
		return checkDatabase(u)
	case !slices.Contains(Systems, system):
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("must be an http or https URL: write %s or sandbox", form)
	default:
		return nil
	}
}

func checkDatabase(u *url.URL) error {
	database := strings.TrimPrefix(u.Path, "/")
	_, port, err := net.SplitHostPort(u.Host)
	if n, atoiErr := strconv.Atoi(port); err != nil || atoiErr != nil || n < 1 || n > 65535 {
		return errors.New("must name a port: write mysql://host:port/database")
	}
	if u.Scheme != "mysql" || database == "" || strings.Contains(database, "/") {
		return errors.New("must be of the form mysql://host:port/database")
	}
	return nil
}

func (r *reader) source(root ast.Node, at spec.Pos) *Source {
	s := &Source{at: places{r.file, r.places}}
	r.object(root, "", map[string]func(entry){
		"source":     r.name(&s.Name),
		"connection": r.name(&s.Connection),
		"feed":       r.string(&s.Feed),
		"every":      func(e entry) { s.Every = r.duration(e, time.Second) },
		"cron":       func(e entry) { s.Cron = r.cron(e) },
		"zone":       r.zone(&s.Zone),
		"start":      func(entry) {},
		"cursor":     func(e entry) { s.ByVersion = r.cursor(e) },
		"request":    func(e entry) { s.Request = r.request(e) },
		"settle":     func(e entry) { d := r.duration(e, 0); s.Settle = &d },
		"overlap":    func(e entry) { d := r.duration(e, 0); s.Overlap = &d },
		"slice":      func(e entry) { s.Slice = r.duration(e, time.Second) },
		"page_size":  func(e entry) { s.PageSize = r.count(e, 1, 10_000) },
		"recount":    func(e entry) { s.Recount = r.recount(e) },
		"quiet":      func(e entry) { s.Quiet = r.quiet(e) },
	})
	r.need(at, "", "source", "connection", "feed")
	if !s.ByVersion && !isSnapshot(s.Feed) {
		r.need(at, "", "start")
	}
	r.schedule(s, at)
	if s.Recount != "" && s.Recount != RecountOff && (s.ByVersion || isSnapshot(s.Feed)) {
		r.fail(r.places["recount"], "recount", "is for sources that are read by windows of time: each poll of this one counts anyway")
	}
	for _, e := range r.find(root, "start") {
		s.Start = r.start(e, s.Feed)
	}
	return s
}

// isSnapshot reports whether a feed is read whole each time. One that nobody knows is none: that it
// is unknown is the fault to tell.
func isSnapshot(name string) bool {
	f, err := feed.Get(name)
	return err == nil && f.Snapshot
}

// The values of cursor: what a source goes by.
const (
	cursorWindow  = "window"
	cursorVersion = "version"
)

// cursor reports whether the source is read by row version.
func (r *reader) cursor(e entry) bool {
	text := r.text(e)
	if known := []string{cursorWindow, cursorVersion}; text != "" && !slices.Contains(known, text) {
		r.fail(r.pos(e.value), e.path, "%q is neither window nor version%s", text, DidYouMean(text, known))
	}
	return text == cursorVersion
}

// recount reads a time of day, or off.
func (r *reader) recount(e entry) string {
	text := r.text(e)
	if _, err := time.Parse("15:04", text); err != nil && text != RecountOff && text != "" {
		r.fail(r.pos(e.value), e.path, "%q is no time of day: write one such as 03:30, or off", text)
	}
	return text
}

// find returns the entry of a key when it has a value.
func (r *reader) find(root ast.Node, key string) []entry {
	probe := &reader{file: r.file, skip: r.skip, lines: r.lines, places: map[string]spec.Pos{}}
	return slices.DeleteFunc(probe.entries(root, ""), func(e entry) bool { return e.key != key || isNull(e.value) })
}

// schedule sees to it that exactly one of every and cron says when.
func (r *reader) schedule(s *Source, at spec.Pos) {
	_, every := r.places["every"]
	_, cron := r.places["cron"]
	_, zone := r.places["zone"]
	switch {
	case every && cron:
		r.fail(r.places["cron"], "cron", "every and cron exclude one another: keep one")
	case !every && !cron:
		r.fail(at, "every", "is missing: write every: 5m, or cron")
	case zone && !cron:
		r.fail(r.places["zone"], "zone", "zone belongs to cron")
	}
	if cron && s.Zone == "" {
		s.Zone = defaultZone
	}
}

// start reads an instant, or a day in the zone of the feed.
func (r *reader) start(e entry, feedName string) time.Time {
	text := r.text(e)
	if text == "" {
		return time.Time{}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	zone := location(defaultZone)
	if f, err := feed.Get(feedName); err == nil {
		zone = f.Location()
	}
	at, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		r.fail(r.pos(e.value), e.path, "%q is no time: write 2025-01-01T00:00:00+08:00, or 2025-01-01 in the feed's zone", text)
	}
	return at
}

func (r *reader) request(e entry) map[string]any {
	request := map[string]any{}
	for _, one := range r.entries(e.value, e.path) {
		request[one.key] = r.tree(one.value, one.path, 0)
	}
	return request
}

func (r *reader) flow(root ast.Node, at spec.Pos) *Flow {
	f := &Flow{at: places{r.file, r.places}}
	r.object(root, "", map[string]func(entry){
		"flow":    r.name(&f.Name),
		"from":    r.name(&f.From),
		"where":   func(e entry) { f.Spec.Where = r.expression(e) },
		"quality": func(e entry) { f.Spec.Quality = r.quality(e) },
		"target":  func(e entry) { f.Target = r.target(e) },
		"tables":  func(e entry) { f.Spec.Tables = r.tables(e, &f.files) },
		"map": func(e entry) {
			f.Spec.Fields = r.fields(e, 0)
			f.Spec.At = e.at
		},
	})
	r.need(at, "", "flow", "from", "target", "map")
	return f
}

func (r *reader) target(e entry) Target {
	var t Target
	r.object(e.value, e.path, map[string]func(entry){
		"kind":       r.name(&t.Kind),
		"connection": r.name(&t.Connection),
		"message":    r.string(&t.Message),
		"options":    func(e entry) { t.Options = r.texts(e) },
	})
	r.need(r.pos(e.value), e.path, "kind", "connection", "message")
	return t
}

// fields reads the fields of a message.
func (r *reader) fields(e entry, depth int) []spec.Field {
	fields := []spec.Field{}
	if depth > maxNesting {
		r.fail(e.at, e.path, "nests deeper than %d", maxNesting)
		return fields
	}
	for _, one := range r.entries(e.value, e.path) {
		fields = append(fields, r.field(one, depth))
	}
	return fields
}

// field reads one field: an expression, or a mapping with each, map and value.
func (r *reader) field(e entry, depth int) spec.Field {
	f := spec.Field{Name: e.key, At: e.at, Path: e.path}
	switch e.value.(type) {
	case nil, *ast.NullNode:
		r.fail(e.at, e.path, "has no expression")
		return f
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		f.Value = r.expression(e)
		return f
	}
	r.object(e.value, e.path, map[string]func(entry){
		"each":  func(e entry) { f.Each = r.expression(e) },
		"map":   func(e entry) { f.Fields = r.fields(e, depth+1) },
		"value": func(e entry) { f.Value = r.expression(e) },
	})
	switch {
	case f.Fields != nil && f.Value.Text != "":
		r.fail(f.Value.At, f.Value.Path, "map and value exclude one another")
	case f.Fields == nil && f.Value.Text == "":
		r.fail(e.at, e.path, "needs map (for messages) or value (for scalars)")
	case f.Value.Text != "" && f.Each.Text == "":
		r.fail(e.at, e.path, "value needs each; without a list write the expression itself")
	}
	return f
}
