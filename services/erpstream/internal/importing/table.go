package importing

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/contract"
)

// table makes the fields of a message that stands for a table: one row of a record, or one of each of
// its lines.
func (im *importer) table() {
	t := contract.Table(im.md)
	st := readStatement(im.target)
	im.mode(st)
	params := im.columnParams()
	rows := im.rows()
	if rows == nil {
		im.fields = im.columns(im.md, st, params, scope{spread: im.flat})
		return
	}
	if document := im.md.Fields().ByName(protoreflect.Name(t.GetDocument())); document != nil {
		key, _ := scope{}.ref(im.feed.Key[0])
		im.fields = append(im.fields, &field{name: string(document.Name()), text: key, required: isRequired(document)})
	}
	s := scope{lists: []string{im.flat}, flat: im.flat}
	each, _ := scope{}.ref(im.flat)
	f := &field{name: string(rows.Name()), nested: true, each: im.filtered(each, im.flat), required: isRequired(rows)}
	f.fields = im.complete(rows.Message(), im.columns(rows.Message(), st, params, s))
	im.fields = append(im.fields, f)
}

// rows is the field of a message for a table with a row for each line, nil where there is none.
func (im *importer) rows() protoreflect.FieldDescriptor {
	return im.md.Fields().ByName(protoreflect.Name(contract.Table(im.md).GetRows()))
}

// lay finds the list whose lines the platform makes rows of (数据拍扁).
func (im *importer) lay() {
	said := im.source.root.get("beatFlat")
	if p, ok := im.source.find("beatFlat"); ok {
		said = p.value
	}
	if said != nil && said.kind == kindList && len(said.items) == 1 {
		said = said.items[0]
	}
	im.flat = said.scalar()
	switch {
	case said != nil && im.flat == "":
		im.flowHead = append(im.flowHead, finding(Unsupported, im.source.file, said.at, said.String(), "lines of several lists as documents (beatFlat)"))
	case im.rows() == nil || im.flat != "":
		return
	default:
		im.flat = im.likelyLines()
	}
	if im.rows() == nil {
		return
	}
	if im.flat != "" {
		im.flowHead = append(im.flowHead, finding(Assumed, im.source.file, im.source.root.at, "",
			"nothing says which list the lines are (beatFlat): "+im.flat+", because of the names that begin so"))
		return
	}
	im.flowHead = append(im.flowHead, finding(Missing, im.source.file, im.source.root.at, "",
		fmt.Sprintf("the table has a row for each line of a record, and nothing says which list the lines are (beatFlat): write each of %s", im.rows().Name())))
	im.flat = "items"
}

// mode is how rows are written.
func (im *importer) mode(st statement) {
	tell := func(k Kind, text, msg string) {
		im.flowHead = append(im.flowHead, finding(k, im.target.file, st.at, text, msg))
	}
	switch {
	case st.verb == "REPLACE":
		im.options = append(im.options, "mode: replace")
	case st.verb == "" && st.text != "":
		tell(Unsupported, st.text, "main_sql is none of REPLACE INTO and INSERT INTO with columns and VALUES")
	case st.verb == "":
	case st.update:
		tell(Handled, "", "INSERT … ON DUPLICATE KEY UPDATE: rows are written over by their key, where they are newer")
	default:
		tell(Handled, "", st.verb+": rows are written over by their key, where they are newer, and never doubled")
	}
	if st.gap {
		tell(Missing, st.text, "columns are left out (...) in main_sql: those of the message are written")
	}
}

// columnParams are the parameters that are columns: those of main_params where there is one.
func (im *importer) columnParams() []param {
	var params []param
	for _, p := range im.target.params {
		if p.name == "main_params" {
			params = append(params, p.children...)
			if p.value != nil && p.value.kind == kindElided {
				p.gaps = append(p.gaps, p.at)
			}
			for _, at := range p.gaps {
				im.flowHead = append(im.flowHead, finding(Missing, im.target.file, at, "", "columns are left out here (...)"))
			}
			continue
		}
		params = append(params, p)
	}
	return params
}

// likelyLines is the list that the names of the columns begin with.
func (im *importer) likelyLines() string {
	st, row := readStatement(im.target), im.rows().Message()
	names := slices.Clone(st.columns)
	for _, p := range im.target.params {
		for _, m := range reference.FindAllStringSubmatchIndex(p.value.scalar(), -1) {
			names = append(names, inner(p.value.text, m))
		}
	}
	for i := range row.Fields().Len() {
		names = append(names, string(row.Fields().Get(i).Name()))
	}
	for _, list := range im.lists() {
		if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, list+"_") }) {
			return list
		}
	}
	return ""
}

// lists are the lists that a record of the feed may have.
func (im *importer) lists() []string {
	if im.sample == nil {
		return []string{"items", "details_list", "detail_list", "details", "goods_list", "spec_list"}
	}
	var lists []string
	for _, m := range im.sample.members {
		if m.value.kind == kindList {
			lists = append(lists, m.key)
		}
	}
	return lists
}

// columns makes the fields of a row. A column that no parameter fills is named as the platform names the
// fields of a flattened record.
func (im *importer) columns(md protoreflect.MessageDescriptor, st statement, params []param, s scope) []*field {
	names := st.columns
	if len(names) == 0 || st.gap {
		names = columnNames(md)
	}
	byPlace := len(params) == len(names) && !slices.ContainsFunc(params, func(p param) bool { return slices.Contains(names, p.name) })
	ordered := make([]param, 0, len(names))
	for i, name := range names {
		at := slices.IndexFunc(params, func(p param) bool { return strings.EqualFold(p.name, name) })
		switch {
		case byPlace:
			p := params[i]
			p.name = name
			ordered = append(ordered, p)
		case at >= 0:
			p := params[at]
			p.name = name
			ordered = append(ordered, p)
		default:
			ordered = append(ordered, param{name: name, at: st.at, value: &node{kind: kindText, text: "{" + name + "}", at: st.at}, assumed: true})
		}
	}
	for _, p := range params {
		if _, own := platformParams[p.name]; own || !byPlace && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(p.name, n) }) {
			ordered = append(ordered, p)
		}
	}
	fields := im.message(md, ordered, s, false)
	nameAssumed(md, fields, ordered, im.target.file)
	return fields
}

// nameAssumed says of each run of columns that no parameter fills, at its first.
func nameAssumed(md protoreflect.MessageDescriptor, fields []*field, params []param, file string) {
	for i := 0; i < len(params); i++ {
		first := i
		for i+1 < len(params) && params[first].assumed && params[i+1].assumed {
			i++
		}
		chain := findField(md, params[first].name)
		if !params[first].assumed || chain == nil {
			continue
		}
		if f := named(fields, string(chain[0].Name())); f != nil {
			text := params[first].name
			if i > first {
				text += " to " + params[i].name
			}
			f.findings = append(f.findings, finding(Assumed, file, params[first].at, text,
				"no field of request fills these columns of main_sql; the record's fields of the same names are taken"))
		}
	}
}

// columnNames are the columns of a message.
func columnNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		name := contract.Column(fd).GetName()
		if name == "" {
			name = string(fd.Name())
		}
		names = append(names, name)
	}
	return names
}
