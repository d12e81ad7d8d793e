package importing

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/contract"
)

// targetKeys are the keys of the target side that are not parameters, as sourceKeys are.
var targetKeys = map[string]string{
	"api": "", "type": "", "method": "", "effect": "", "title": "", "label": "", "describe": "", "desc": "",
	"number": "", "id": "", "name": "", "idCheck": "what was written is known by its key: nothing is written twice",
	"request": "", "requestParams": "", "params": "", "otherRequest": "", "otherRequestParams": "", "main_sql": "",
	"response": "", "responseParams": "", "otherResponse": "", "otherResponseParams": "",
	"limit": "the sink batches by itself", "error_handling": "what fails for its data is a dead letter, what fails otherwise is tried again",
	"retry_count": "tried again by itself", "retry_interval": "tried again by itself",
}

// platformParams are parameters of the target that are the platform's own.
var platformParams = map[string]string{"main_sql": "", "limit": "the sink batches by itself", "extend_sql": ""}

// flowDocument makes the fields of the flow.
func (im *importer) flowDocument() {
	if contract.Table(im.md) != nil {
		im.table()
	} else {
		im.fields = im.message(im.md, im.target.params, scope{spread: im.flat}, false)
	}
	im.fields = im.complete(im.md, im.fields)
	for _, list := range slices.Sorted(maps.Keys(im.filters)) {
		im.flowHead = append(im.flowHead, finding(Handled, im.source.file, im.source.root.get("condition").at, strings.Join(im.filters[list], " && "),
			"a condition that leaves out lines of "+list+", which the flow does not read"))
	}
}

// message makes the fields of a message of parameters. inLines tells that it is one of a list.
func (im *importer) message(md protoreflect.MessageDescriptor, params []param, s scope, inLines bool) []*field {
	var fields []*field
	for _, p := range params {
		if handled, ok := platformParams[p.name]; ok && !inLines {
			if handled != "" {
				im.flowHead = append(im.flowHead, finding(Handled, im.target.file, p.at, "", p.name+": "+handled))
			}
			continue
		}
		if p.empty() {
			continue
		}
		chain := findField(md, p.name)
		if chain == nil {
			fields = append(fields, &field{findings: []Finding{
				finding(Unsupported, im.target.file, p.at, p.shown(), fmt.Sprintf("%s has no field for %s", md.Name(), p.name)),
			}})
			continue
		}
		into := &fields
		if len(chain) == 2 {
			outer := named(fields, string(chain[0].Name()))
			if outer == nil {
				outer = &field{name: string(chain[0].Name()), nested: true, required: isRequired(chain[0])}
				fields = append(fields, outer)
			}
			into = &outer.fields
		}
		fd := chain[len(chain)-1]
		if twice := named(*into, string(fd.Name())); twice != nil {
			twice.findings = append(twice.findings, finding(Unsupported, im.target.file, p.at, p.shown(), p.name+" is written twice: the first stays"))
			continue
		}
		*into = append(*into, im.field(fd, p, s))
	}
	return fields
}

// empty reports whether a parameter is not sent.
func (p param) empty() bool { return p.value == nil && len(p.children) == 0 && len(p.gaps) == 0 }

// findField returns the field of a message for the platform's name of it: its own name, that of the
// vendor's API, or that of a column; also one level down, for the vendors' heads.
func findField(md protoreflect.MessageDescriptor, name string) []protoreflect.FieldDescriptor {
	var inner [][]protoreflect.FieldDescriptor
	for _, same := range []func(string) bool{func(n string) bool { return n == name }, func(n string) bool { return strings.EqualFold(n, name) }} {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if same(string(fd.Name())) || same(contract.Wire(fd).GetName()) || same(contract.Column(fd).GetName()) {
				return []protoreflect.FieldDescriptor{fd}
			}
		}
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.Message() == nil || fd.IsList() || fd.IsMap() || isTime(fd) || fd.Message() == md {
			continue
		}
		for j := range fd.Message().Fields().Len() {
			below := fd.Message().Fields().Get(j)
			if strings.EqualFold(string(below.Name()), name) || strings.EqualFold(contract.Wire(below).GetName(), name) {
				inner = append(inner, []protoreflect.FieldDescriptor{fd, below})
			}
		}
	}
	if len(inner) == 1 {
		return inner[0]
	}
	return nil
}

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	rules, err := protovalidate.ResolveFieldRules(fd)
	return err == nil && rules.GetRequired()
}

// field makes one field of a parameter, by the shape of both.
func (im *importer) field(fd protoreflect.FieldDescriptor, p param, s scope) *field {
	f := &field{name: string(fd.Name()), required: isRequired(fd), origin: finding("", im.target.file, p.at, p.shown(), p.name)}
	tell := func(k Kind, msg string) *field {
		f.drop(finding(k, im.target.file, p.at, p.shown(), msg))
		return f
	}
	switch {
	case len(p.extra) > 0:
		return tell(Unsupported, fmt.Sprintf("%s: its %s has no counterpart: %s", p.name, p.extra[0].key, p.extra[0].value))
	case p.value != nil && p.value.kind == kindElided, len(p.children) == 0 && len(p.gaps) > 0:
		return tell(Missing, p.name+" is left out (...)")
	case fd.IsMap():
		im.pairs(f, p, s)
	case fd.IsList() && fd.Message() != nil:
		im.lines(f, fd, p, s)
	case fd.IsList():
		return tell(Unsupported, p.name+": a list of values has no counterpart in the metadata")
	case fd.Message() != nil && !isTime(fd):
		f.nested, f.fields = true, im.complete(fd.Message(), im.message(fd.Message(), p.children, s, true))
	default:
		im.scalar(f, fd, p, s)
		return f
	}
	for _, at := range p.gaps {
		f.findings = append(f.findings, finding(Missing, im.target.file, at, "", "further fields of "+p.name+" are left out (...)"))
	}
	return f
}

// lines makes a list of messages. An array without a source is one line made of the record itself.
func (im *importer) lines(f *field, fd protoreflect.FieldDescriptor, p param, s scope) {
	list := strings.Trim(p.value.scalar(), "{} ")
	if p.value != nil && p.value.kind != kindText {
		f.drop(finding(Unsupported, im.target.file, p.at, p.shown(), p.name+" is no list of the record"))
		return
	}
	inner, each := s.within(list), "[record]"
	if list == "" {
		inner = s.within("@record")
	} else {
		ref, err := s.ref(list)
		if err != nil || directive.MatchString(list) {
			f.drop(finding(Unsupported, im.target.file, p.at, p.shown(), p.name+" is no list of the record"))
			return
		}
		each = ref
	}
	f.nested, f.each = true, im.filtered(each, list)
	f.fields = im.complete(fd.Message(), im.message(fd.Message(), p.children, inner, true))
}

// filtered is a list without the lines that the conditions leave out.
func (im *importer) filtered(each, list string) string {
	conditions := im.filters[list]
	if len(conditions) == 0 {
		return each
	}
	delete(im.filters, list)
	return fmt.Sprintf("%s.filter(line, %s)", each, strings.Join(conditions, " && "))
}

// pairs makes a map of names to values, such as custom fields (自定义字段).
func (im *importer) pairs(f *field, p param, s scope) {
	children := p.children
	if p.value != nil && p.value.kind == kindObject {
		children = im.target.pairs(p.value, 1)
	}
	f.nested, f.fields = true, nil
	for _, c := range children {
		if c.empty() {
			continue
		}
		below := f.add(&field{name: c.name})
		e, err := im.valueOf(c, im.translator(s, c.name, false))
		if len(c.extra) > 0 {
			err = fmt.Errorf("its %s has no counterpart: %s", c.extra[0].key, c.extra[0].value)
		}
		if err != nil {
			below.drop(finding(kindOf(err), im.target.file, c.at, c.shown(), fmt.Sprintf("%s: %v", c.name, err)))
			continue
		}
		below.text = e.text(false)
		if e.kind == anyValue {
			below.text = e.cel
		}
	}
}

// errLeftOut is a value that is left out in the metadata.
var errLeftOut = errors.New("its value is left out (...)")

func kindOf(err error) Kind {
	if errors.Is(err, errLeftOut) {
		return Missing
	}
	return Unsupported
}

// valueOf translates the value of a parameter.
func (im *importer) valueOf(p param, t translator) (expr, error) {
	if p.value == nil {
		return expr{}, errors.New("has no value")
	}
	switch p.value.kind {
	case kindElided:
		return expr{}, errLeftOut
	case kindText:
		return t.value(p.value.text)
	case kindNumber:
		return numberLiteral(p.value.text), nil
	case kindBool:
		return expr{cel: p.value.text, kind: truthValue, literal: p.value.text, constant: true}, nil
	default:
		return expr{}, fmt.Errorf("is %s, where one value is wanted", p.value.kind)
	}
}

// maxExpression is the length of an expression, in bytes, beyond which nobody reads it.
const maxExpression = 4000

// scalar makes a field with an expression.
func (im *importer) scalar(f *field, fd protoreflect.FieldDescriptor, p param, s scope) {
	e, err := im.valueOf(p, im.translator(s, p.name, f.required || im.identifies(fd)))
	if err == nil {
		f.text, err = im.fit(f, fd, e, p)
	}
	if err == nil && len(f.text) > maxExpression {
		err = errors.New("becomes too long")
	}
	if err != nil {
		f.drop(finding(kindOf(err), im.target.file, p.at, p.shown(), fmt.Sprintf("%s: %v", p.name, err)))
		return
	}
	if e.lookup {
		im.guessed(f, p)
	}
}

// identifies reports whether a document is found again by a field, so that null must not go into it.
func (im *importer) identifies(fd protoreflect.FieldDescriptor) bool {
	d := contract.Document(im.md)
	name := string(fd.Name())
	last := func(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
	return d != nil && (last(d.GetNumber()) == name || last(d.GetMarker()) == name) || slices.Contains(contract.Table(im.md).GetPrimaryKey(), name)
}

// guessed says that nobody named the collection of a look-up.
func (im *importer) guessed(f *field, p param) {
	for _, m := range lookUpCall.FindAllStringSubmatch(p.shown(), -1) {
		q, err := readMongo(m[0])
		if strings.HasPrefix(m[0], wordCollection) {
			q, err = readCollection(m[0])
		}
		q.target = p.name
		if err != nil || im.named(q) {
			continue
		}
		f.findings = append(f.findings, finding(Assumed, im.target.file, p.at, p.shown(),
			"the platform's look-up names a scheme, not what it holds: see whether the collection is right, or say so with --collection"))
		return
	}
}

var lookUpCall = regexp.MustCompile(`_(?:findCollection|mongoQuery)\s(?:[^_]|_[^e])*`)

// complete adds what the contract wants and the metadata does not give.
func (im *importer) complete(md protoreflect.MessageDescriptor, fields []*field) []*field {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !isRequired(fd) || named(fields, string(fd.Name())) != nil {
			continue
		}
		f := &field{name: string(fd.Name()), required: true}
		if fd.Message() != nil && !fd.IsList() && !fd.IsMap() && !isTime(fd) {
			f.nested, f.fields = true, im.complete(fd.Message(), nil)
		} else {
			f.drop(finding(Missing, im.target.file, im.target.root.at, "",
				"the contract wants it, and the metadata has no value for it: until an expression stands here each record is a dead letter"))
		}
		fields = append(fields, f)
	}
	return fields
}
