package importing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// sourceKeys are the keys of the source side that are not parameters, with what becomes of them; ""
// for those that mean nothing or are read elsewhere.
var sourceKeys = map[string]string{
	"api": "", "type": "", "method": "", "effect": "", "title": "", "label": "", "name": "", "describe": "", "desc": "",
	"condition": "", "beatFlat": "", "request": "", "requestParams": "", "params": "", "otherRequest": "", "otherRequestParams": "",
	"response": "", "responseParams": "", "otherResponse": "", "otherResponseParams": "", "condition_bk": "",
	"number": "", "id": "", "idCheck": "key and version of the feed identify a document: what comes twice is known by them",
	"pagination":     "the feed pages by itself, from last to first, and proves the count; page_size in the source narrows it",
	"delay":          "a window ends a settle time behind now; settle in the source changes it",
	"omissionRemedy": "a window is closed only with its count proved, and counted again at night (recount)",
	"retry_count":    "calls are tried again by themselves, with growing delay", "retry_interval": "calls are tried again by themselves, with growing delay",
	"buildModel": "", "autoFillResponse": "",
}

// reshaping are the keys with which the platform puts documents together: without them other ones would
// be booked.
var reshaping = []string{"groupCalculate", "operation", "operate"}

// leftovers names the keys of a side that are not carried over.
func (im *importer) leftovers(s *scheme, known map[string]string) {
	head := &im.sourceHead
	if s == im.target {
		head = &im.flowHead
	}
	for _, m := range s.root.members {
		handled, ok := known[m.key]
		switch {
		case m.key == "" || m.value.kind == kindNull || m.value.kind == kindElided && ok:
		case slices.Contains(reshaping, m.key):
			im.blocked = true
			*head = append(*head, finding(Unsupported, s.file, m.at, m.value.String(),
				m.key+" makes other documents of the records: until that is written and the rule below is gone, each record is a dead letter"))
		case !ok:
			*head = append(*head, finding(Unsupported, s.file, m.at, m.value.String(), fmt.Sprintf("%s has no counterpart", shorten(m.key))))
		case handled != "":
			*head = append(*head, finding(Handled, s.file, m.at, "", m.key+": "+handled))
		}
	}
	for _, at := range s.gaps {
		*head = append(*head, finding(Missing, s.file, at, "", "parameters are left out here (...)"))
	}
}

// sourceDocument makes the request of the source.
func (im *importer) sourceDocument() {
	for _, p := range im.source.params {
		if f := im.parameter(p); f != nil {
			im.request = append(im.request, f)
		}
	}
	if id := im.source.root.get("id"); id.scalar() != "" && id.scalar() != strings.Join(im.feed.Key, "/") {
		im.sourceHead = append(im.sourceHead, finding(Handled, im.source.file, id.at, id.scalar(),
			"a document is identified by "+strings.Join(im.feed.Key, "/")+", and not by the platform's id"))
	}
	if im.feed.Snapshot {
		im.opts.Start = "" // it is read whole each time
	} else if im.opts.Start == "" {
		im.opts.Start = im.opts.Now.In(im.feed.Location()).Format(time.DateOnly)
		at := im.source.root.at
		im.sourceHead = append(im.sourceHead, finding(Assumed, im.source.file, at, "",
			"start is today: put the time there up to which the platform has polled (LAST_SYNC_TIME), or say --start"))
	}
}

// parameter makes one parameter of the request, nil for one that is not sent.
func (im *importer) parameter(p param) *field {
	tell := func(k Kind, text, msg string) *field {
		return &field{plain: true, findings: []Finding{finding(k, im.source.file, p.at, text, p.name+": "+msg)}}
	}
	switch handled := im.pollers(p.name); {
	case handled != "":
		return tell(Handled, "", handled)
	case p.empty():
		return nil
	case secret(p.name):
		return tell(Unsupported, "", "looks like a secret: those are files, <secrets dir>/"+im.opts.SourceConnection+"/…")
	case p.value != nil && p.value.kind == kindElided || len(p.gaps) > 0:
		return tell(Missing, "", "its value is left out (...)")
	case im.feed.RowVersion.Param != "" && p.name == im.feed.RowVersion.Param:
		return tell(Unsupported, p.shown(), "the row version is the poller's: write cursor: version instead of start to read by it")
	case usesClock(p.shown()):
		return tell(Unsupported, p.shown(), "depends on when the platform polls, and is not the window of feed "+im.feed.Name)
	case reference.MatchString(p.shown()) || directive.MatchString(p.value.scalar()):
		return tell(Unsupported, p.shown(), "a request has constants only")
	}
	text, err := p.constant()
	if err != nil {
		return tell(Unsupported, p.shown(), err.Error())
	}
	if preset, ok := im.feed.Request[p.name]; ok && fmt.Sprint(preset) == strings.Trim(text, `"`) {
		return tell(Handled, "", text+" is what feed "+im.feed.Name+" asks for anyway")
	}
	return &field{plain: true, name: p.name, text: text}
}

// pollers says what the poller does in the place of a parameter, "" when it does not.
func (im *importer) pollers(name string) string {
	switch w := im.feed.Window; {
	case name == "":
		return ""
	case name == w.Begin || name == w.End:
		return "the window is the poller's: from the cursor to a settle time behind now"
	case name == im.feed.Paging.Index || name == im.feed.Paging.Size:
		return "the feed pages by itself"
	default:
		return ""
	}
}

// shown is the value of a parameter as it was written.
func (p param) shown() string {
	if p.value == nil {
		return ""
	}
	if text := p.value.scalar(); text != "" {
		return text
	}
	return p.value.String()
}

// constant returns the value of a parameter as YAML. A number that the platform declares as text stays
// text, and one that it declares as a number becomes one.
func (p param) constant() (string, error) {
	if len(p.children) > 0 {
		var pairs []string
		for _, c := range p.children {
			if c.value == nil && len(c.children) == 0 {
				continue
			}
			text, err := c.constant()
			if err != nil {
				return "", err
			}
			pairs = append(pairs, quote(c.name)+": "+text)
		}
		return "{" + strings.Join(pairs, ", ") + "}", nil
	}
	value := p.value
	for _, m := range p.extra {
		if m.key != "parser" || m.value.get("name").scalar() != "StringToArray" || m.value.get("params").scalar() == "" {
			return "", fmt.Errorf("its %s has no counterpart: %s", m.key, m.value)
		}
		list := &node{kind: kindList, at: value.at}
		for item := range strings.SplitSeq(value.scalar(), m.value.get("params").scalar()) {
			list.items = append(list.items, &node{kind: kindText, text: strings.TrimSpace(item), at: value.at})
		}
		value = list
	}
	numeric := slices.Contains([]string{"int", "integer", "number", "long"}, p.typ) && isWhole(value.scalar())
	if numeric || value.scalar() == "true" || value.scalar() == "false" {
		return value.scalar(), nil
	}
	return yamlValue(value)
}

// yamlValue writes a value of metadata in YAML's flow style.
func yamlValue(n *node) (string, error) {
	var parts []string
	switch n.kind {
	case kindText:
		return yamlText(n.text), nil
	case kindElided:
		return "", fmt.Errorf("a part of it is left out (...)")
	case kindList:
		for _, item := range n.items {
			text, err := yamlValue(item)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case kindObject:
		for _, m := range n.members {
			text, err := yamlValue(m.value)
			if err != nil {
				return "", err
			}
			parts = append(parts, quote(m.key)+": "+text)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case kindNull:
		return "null", nil
	default:
		return n.text, nil
	}
}

// secret reports whether a parameter looks like one whose value nobody should see.
func secret(name string) bool {
	name = strings.ToLower(name)
	return name == "sign" || slices.ContainsFunc([]string{"secret", "password", "passwd", "token"}, func(s string) bool { return strings.Contains(name, s) })
}
