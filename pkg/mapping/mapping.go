// Package mapping makes target messages of records: CEL expressions onto a protobuf descriptor.
// A mapping is compiled once, with every name and type checked, and is a pure function then:
// record in, message out.
//
// # Expressions
//
// record is the document, item the element of the list that each walks, parent the element of
// the each around it, and meta.key, meta.version, meta.source, meta.time say what is known of the
// record. A key that is missing reads as null, and so does everything in it; has(record.a) tells
// whether the key is there. Null is an empty list for size(), in and the macros; anything else
// that is computed with null is an error that names it.
//
// Numbers are decimals that keep the digits of the source; they never pass through floating
// point. They compute and compare with whole numbers on either side. A quotient has up to 16
// digits after the point; round(x, n) rounds half away from zero (四舍五入).
//
// Functions holds the functions with an example each: numbers and how they are rounded, text and regular
// expressions, times in the zone of the feed, null for null, "" and zero dates, and sums and groups of
// lines, in whose expressions item is the line. index is the number of a line in its each, table(name, code)
// a value of a value table of the flow, setting(name) one of the target connection.
//
// An expression can neither hang nor exhaust a program: its work, that of a whole record, its lists and its
// texts are bounded, and what goes beyond is a permanent error.
//
// lookup("kingdee.material", "number", item.goods_no).id finds the one entry of a collection of master
// data whose field has a value, and reads a field of it: id, or what the flow that fills the collection
// keeps. Collection and field are written out; the value is text or a number, compared without the
// blanks around it. What is read is text; has() tells whether the entry has a field. Nothing found:
// the record waits until there is. More than one: it is dead, for none is the right one.
//
// A plain path such as record.io_id or item.a[0].b is followed without CEL. Either way a field
// takes a value by the same rules:
//
//   - null, a missing key, and "" for anything but text: the field stays absent
//   - whole numbers: a number or numeric text without fraction (2.0 and 2e0 are 2)
//   - text: text as it is, numbers as their literal, true and false
//   - text with a DECIMAL column: numbers and numeric text, without exponent, digits preserved
//   - booleans: true, false, 0, 1, also as text
//   - enums: the name of a value
//   - timestamps: what datetime(…) gives
//   - maps of text: a name for each expression below map; names without a value are left out
//
// "" in a text that the contract requires is none.
//
// # Two ways
//
// A mapping is compiled twice. The plan reads a record into values, fills a message with them, validates and encodes
// it; it can do all that the language can, and says what is wrong. onePass notes where in the bytes of the record the
// values are and writes the wire form of the message from there; with anything that is unusual, or wrong, it gives up
// and the plan does the record. The tests show that both make the same of random records, by all shipped flows and by
// random mappings onto random contracts.
package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
)

const (
	// maxFaults is how many faults of one record an error names.
	maxFaults = 10
	// maxGathered is how many faults of one record are looked for.
	maxGathered = 1000
)

// Mapping is a compiled mapping. It is safe for concurrent use.
type Mapping struct {
	message   protoreflect.MessageType
	validator *validator
	where     *expression
	quality   []rule
	plan      *plan
	// slots is how many fields within lists are computed once a record.
	slots int
	uses  []Use
	// onePass does most records; it is nil where it can do none. The rest does all the others.
	onePass *onePass
}

// Uses returns the fields of master data that the mapping relies on, in the order of the document.
// Master data is needed where there are some.
func (m *Mapping) Uses() []Use { return m.uses }

// Result is what became of a record.
type Result struct {
	// Body is the target message as protobuf, deterministic: the same record gives the same
	// bytes. It is empty for a document that was removed, and for one that is left out.
	Body []byte
	// Filtered is set when the flow's where is false for the record.
	Filtered bool
	// Dropped names the quality rule that dropped the record, "" when none did.
	Dropped string
	// Warnings name the quality rules with else: warn that the record breaks.
	Warnings []string
	// Claims are the values that no other document may have, by the quality rules that ask for that. Whether
	// one has is not known here: the mapping has no memory.
	Claims []Claim
	// References are the entries of master data that look-ups found, each once, in the order in which
	// they were first found.
	References []record.Reference
}

// plan makes one message.
type plan struct {
	fields []field
}

// field makes one field: value with coerce for a scalar, message for a nested message, either
// for each element when each is there; pairs for a map.
type field struct {
	fd      protoreflect.FieldDescriptor
	each    *expression
	value   *expression
	coerce  coercion
	message *plan
	pairs   []pair
	// slot is where the value is kept, from 1, when it is the same for all elements of a list.
	slot int
}

// pair is one name of a map field, with the field that makes its value.
type pair struct {
	name  string
	value *field
}

// memo is the value of a field that was computed once.
type memo struct {
	value protoreflect.Value
	set   bool
	err   error
	done  bool
}

// Apply makes the target message of a record. A removed document gives an empty body and is not
// filtered, for it has no fields to filter by. lookup answers the look-ups; it may be nil where Uses
// is empty. An error is Missing when the record has to wait for master data and nothing else is wrong
// with it, and Held when it has to wait for a rule. All others are permanent: class "json" when the record can't be read, "quality" when it
// breaks a rule, "mapping" when a field can't be made of it, "reference" when a look-up has no value to
// look up by or finds an entry without the field, "reference-ambiguous" when it finds several,
// "validation" when the message breaks its contract; they name the fields. Body is not kept.
func (m *Mapping) Apply(env record.Envelope, body []byte, lookup Lookup) (Result, error) {
	_, result, err := m.Append(nil, env, body, lookup)
	return result, err
}

// Append is Apply for who has a buffer: Body is appended to dst, and lies in what is returned. It allocates
// nothing where fields are plain paths, or what package mapping computes without CEL.
func (m *Mapping) Append(dst []byte, env record.Envelope, body []byte, lookup Lookup) ([]byte, Result, error) {
	if env.Removed() {
		return dst, Result{}, nil
	}
	if m.onePass != nil {
		p := m.onePass.take()
		defer m.onePass.release(p)
		if result, ok := m.onePass.run(p, &env, body, m.answering(lookup)); ok {
			dst, result.Body = within(dst, p.out)
			return dst, result, nil
		}
	}
	result, err := m.general(env, body, lookup)
	dst, result.Body = within(dst, result.Body)
	return dst, result, err
}

// within appends a body to a buffer, and returns both.
func within(dst, body []byte) (all, part []byte) {
	begin := len(dst)
	dst = append(dst, body...)
	return dst, dst[begin:len(dst):len(dst)]
}

// answering returns the Lookup of a mapping that looks something up, nil for another.
func (m *Mapping) answering(lookup Lookup) Lookup {
	if len(m.uses) == 0 {
		return nil
	}
	return lookup
}

// general makes the target message with the plan. What it makes is right by definition.
func (m *Mapping) general(env record.Envelope, body []byte, lookup Lookup) (Result, error) {
	document, err := parseRecord(body)
	if err != nil {
		return Result{}, fault.Permanent("json", err)
	}
	s := &scope{record: document, envelope: &env, budget: &budget{}, once: make([]memo, m.slots)}
	if lookup = m.answering(lookup); lookup != nil {
		s.lookup = &noting{Lookup: lookup}
	}
	if m.where != nil {
		var holds bool
		switch holds, err = m.where.truth(s); {
		case err != nil:
			return Result{}, verdict("mapping", "", []error{fmt.Errorf("where: %w", err)})
		case !holds:
			return Result{Filtered: true}, nil
		}
	}
	result, err := m.judge(s)
	if err != nil || result.Dropped != "" {
		return result, err
	}
	if result.Body, err = m.build(s); err != nil {
		result.Claims = nil
	}
	if s.lookup != nil {
		result.References = s.lookup.noted
	}
	return result, err
}

// build makes, validates and encodes the message.
func (m *Mapping) build(s *scope) ([]byte, error) {
	msg := m.message.New()
	if _, faults := m.plan.fill(msg, s, "", nil); len(faults) > 0 {
		return nil, verdict("mapping", "", faults)
	}
	if err := m.validator.Validate(msg.Interface()); err != nil {
		return nil, fault.Permanent("validation", violations(err))
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg.Interface())
	if err != nil {
		return nil, fault.Permanent("mapping", fmt.Errorf("encode %s: %w", msg.Descriptor().FullName(), err))
	}
	return body, nil
}

// fill sets the fields of msg and reports whether there was anything to set. It goes on after a
// fault, so that one look shows them all.
func (p *plan) fill(msg protoreflect.Message, s *scope, prefix string, faults []error) (bool, []error) {
	filled := false
	for i := range p.fields {
		var set bool
		set, faults = p.fields[i].fill(msg, s, prefix, faults)
		filled = filled || set
	}
	return filled, faults
}

func (f *field) fill(msg protoreflect.Message, s *scope, prefix string, faults []error) (bool, []error) {
	switch {
	case f.each != nil:
		return f.fillList(msg, s, prefix, faults)
	case f.pairs != nil:
		return f.fillPairs(msg, s, prefix, faults)
	case f.message != nil:
		nested := msg.NewField(f.fd)
		filled, all := f.message.fill(nested.Message(), s, f.path(prefix)+".", faults)
		if filled {
			msg.Set(f.fd, nested)
		}
		return filled, all
	default:
		v, set, err := f.scalar(s)
		if err != nil {
			return false, append(faults, fmt.Errorf("%s: %w", f.path(prefix), err))
		}
		if set {
			msg.Set(f.fd, v)
		}
		return set, faults
	}
}

// fillList sets a list, one element for each of the source's.
func (f *field) fillList(msg protoreflect.Message, s *scope, prefix string, faults []error) (bool, []error) {
	items, err := f.each.elements(s)
	if err != nil {
		return false, append(faults, fmt.Errorf("%s: %w", f.path(prefix), err))
	}
	if len(items) == 0 {
		return false, faults
	}
	if err := s.budget.walk(len(items), f.width()); err != nil {
		return false, append(faults, fmt.Errorf("%s: %w", f.path(prefix), err))
	}
	list := msg.Mutable(f.fd).List()
	for i, item := range items {
		if isHopeless(faults) {
			break
		}
		element := s.within(item)
		element.index = i + 1
		faults = f.fillElement(list, element, f.path(prefix)+"["+strconv.Itoa(i)+"]", faults)
	}
	return list.Len() > 0, faults
}

// width is how many fields an element of the list has.
func (f *field) width() int {
	if f.message == nil {
		return 1
	}
	return len(f.message.fields)
}

// isHopeless reports whether a record has so many faults that no more need to be found: the last one
// does not go away by itself.
func isHopeless(faults []error) bool {
	if len(faults) < maxGathered {
		return false
	}
	_, waits := errors.AsType[*Missing](faults[len(faults)-1])
	return !waits
}

// fillElement appends one element; a scalar without a value is left out.
func (f *field) fillElement(list protoreflect.List, s *scope, path string, faults []error) []error {
	if f.message != nil {
		element := list.NewElement()
		_, faults = f.message.fill(element.Message(), s, path+".", faults)
		list.Append(element)
		return faults
	}
	v, set, err := f.scalar(s)
	if err != nil {
		return append(faults, fmt.Errorf("%s: %w", path, err))
	}
	if set {
		list.Append(v)
	}
	return faults
}

// fillPairs sets a map; a name without a value is left out.
func (f *field) fillPairs(msg protoreflect.Message, s *scope, prefix string, faults []error) (bool, []error) {
	values := msg.NewField(f.fd)
	for _, p := range f.pairs {
		v, set, err := p.value.scalar(s)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s.%s: %w", f.path(prefix), p.name, err))
		case set:
			values.Map().Set(protoreflect.ValueOfString(p.name).MapKey(), v)
		}
	}
	if values.Map().Len() == 0 {
		return false, faults
	}
	msg.Set(f.fd, values)
	return true, faults
}

// scalar returns the field's value, computed once where it is the same for all elements.
func (f *field) scalar(s *scope) (v protoreflect.Value, set bool, err error) {
	if f.slot == 0 {
		return f.compute(s)
	}
	m := &s.once[f.slot-1]
	if !m.done {
		m.value, m.set, m.err = f.compute(s)
		m.done = true
	}
	return m.value, m.set, m.err
}

// compute evaluates the expression and makes the result the field's own.
func (f *field) compute(s *scope) (v protoreflect.Value, set bool, err error) {
	raw, err := f.value.value(s)
	if err != nil {
		return v, false, err
	}
	if v, set, err = f.coerce(raw); err != nil {
		err = fmt.Errorf("%s: %w", shorten(f.value.text), err)
	}
	return v, set, err
}

func (f *field) path(prefix string) string { return prefix + string(f.fd.Name()) }

// join puts faults on one line; of very many it names the first.
func join(faults []error) error {
	var texts []string
	for _, err := range faults[:min(len(faults), maxFaults)] {
		texts = append(texts, err.Error())
	}
	if more := len(faults) - maxFaults; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(texts, "; "))
}

// violations names the fields that break the contract, with the rule that each breaks.
func violations(err error) error {
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return err
	}
	var faults []error
	for _, v := range invalid.Violations {
		faults = append(faults, errors.New(v.String()))
	}
	return join(faults)
}
