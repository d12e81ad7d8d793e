package mapping

import (
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/mapping/internal/dfa"
)

// fieldRules are the rules of the contract for one field, as far as parts check them.
type fieldRules struct {
	required bool
	text     *textRules
	number   *numberRules
	count    countRules
}

// textRules are those of a text; lengths are in characters.
type textRules struct {
	least, most int
	in, notIn   []string
	// small or pattern is the pattern, if there is one.
	small   *dfa.Matcher
	pattern *regexp.Regexp
}

func (r *textRules) hold(text []byte) bool {
	if r == nil {
		return true
	}
	// A text has at most as many characters as bytes, and at least a quarter of that.
	if len(text) > r.most && utf8.RuneCount(text) > r.most || r.least > 0 && utf8.RuneCount(text) < r.least {
		return false
	}
	if r.in != nil && !slices.Contains(r.in, string(text)) || r.notIn != nil && slices.Contains(r.notIn, string(text)) {
		return false
	}
	if r.small != nil {
		return r.small.Match(text)
	}
	return r.pattern == nil || r.pattern.Match(text)
}

// numberRules are those of a whole number.
type numberRules struct {
	least, most int64
	in, notIn   []int64
}

func (r *numberRules) hold(n int64) bool {
	return r == nil || n >= r.least && n <= r.most && (r.in == nil || slices.Contains(r.in, n)) && !slices.Contains(r.notIn, n)
}

// countRules are those of the elements of a list, or the entries of a map.
type countRules struct{ least, most int }

func (r countRules) hold(n int) bool { return n >= r.least && (r.most == 0 || n <= r.most) }

// contract looks for what a message has that parts neither make nor check.
func (c *passCompiler) contract(p *plan, md protoreflect.MessageDescriptor) {
	if rules, err := protovalidate.ResolveMessageRules(md); err != nil || rules != nil {
		c.unchecked = true
	}
	for i := range md.Oneofs().Len() {
		if rules, err := protovalidate.ResolveOneofRules(md.Oneofs().Get(i)); err != nil || rules != nil {
			c.unchecked = true
		}
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		mapped := slices.ContainsFunc(p.fields, func(f field) bool { return f.fd == fd })
		choice := fd.ContainingOneof()
		switch {
		case fd.Cardinality() == protoreflect.Required, mapped && fd.Kind() == protoreflect.GroupKind, mapped && choice != nil && !choice.IsSynthetic():
			c.unable = true
		case mapped || fd.HasPresence(): // one that stays absent has no rules but that it is there, which Compile sees to
		default:
			if rules, err := protovalidate.ResolveFieldRules(fd); err != nil || rules != nil {
				c.unchecked = true
			}
		}
	}
}

// rulesOf returns the rules of a field. Where there are others than parts check, the whole message is validated.
func (c *passCompiler) rulesOf(fd protoreflect.FieldDescriptor) fieldRules {
	found, err := protovalidate.ResolveFieldRules(fd)
	switch {
	case err != nil:
		c.unchecked = true
		return fieldRules{}
	case found == nil:
		return fieldRules{}
	}
	var r fieldRules
	known := fd.HasPresence() || fd.IsList() || fd.IsMap()
	known = known && eachRule(found.ProtoReflect(), func(name protoreflect.Name, v protoreflect.Value) bool {
		switch name {
		case "required":
			r.required = v.Bool()
		case "string":
			return r.ofText(v.Message())
		case "int32", "int64", "sint32", "sint64", "sfixed32", "sfixed64", "uint32", "fixed32":
			return r.ofNumber(v.Message())
		case "repeated":
			return r.ofCount(v.Message(), "min_items", "max_items")
		case "map":
			return r.ofCount(v.Message(), "min_pairs", "max_pairs")
		case "enum":
			return eachRule(v.Message(), func(name protoreflect.Name, _ protoreflect.Value) bool { return name == "defined_only" })
		default:
			return false
		}
		return true
	})
	if !known {
		c.unchecked = true
		return fieldRules{}
	}
	if r.required {
		r.count.least = max(r.count.least, 1)
	}
	return r
}

// eachRule calls do for each rule that is set, and reports whether all are known.
func eachRule(rules protoreflect.Message, do func(name protoreflect.Name, v protoreflect.Value) bool) bool {
	known := len(rules.GetUnknown()) == 0
	rules.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		known = known && !fd.IsExtension() && (fd.Name() == "example" || do(fd.Name(), v))
		return known
	})
	return known
}

func (r *fieldRules) ofText(rules protoreflect.Message) bool {
	t := &textRules{most: math.MaxInt}
	r.text = t
	return eachRule(rules, func(name protoreflect.Name, v protoreflect.Value) bool {
		switch name {
		case "len":
			t.least, t.most = max(t.least, bounded(v.Uint())), min(t.most, bounded(v.Uint()))
		case "min_len":
			t.least = max(t.least, bounded(v.Uint()))
		case "max_len":
			t.most = min(t.most, bounded(v.Uint()))
		case "const":
			t.in = []string{v.String()}
		case "in":
			t.in = texts(v.List())
		case "not_in":
			t.notIn = texts(v.List())
		case "pattern":
			return t.matches(v.String())
		default:
			return false
		}
		return true
	}) && !hasBoth(rules, "const", "in")
}

// hasBoth reports whether two rules are there of which parts check one.
func hasBoth(rules protoreflect.Message, a, b protoreflect.Name) bool {
	fields := rules.Descriptor().Fields()
	return rules.Has(fields.ByName(a)) && rules.Has(fields.ByName(b))
}

// matches compiles a pattern.
func (r *textRules) matches(pattern string) bool {
	if r.small = dfa.Compile(pattern); r.small != nil {
		return true
	}
	var err error
	r.pattern, err = regexp.Compile(pattern)
	return err == nil
}

func texts(l protoreflect.List) []string {
	var all []string
	for i := range l.Len() {
		all = append(all, l.Get(i).String())
	}
	return all
}

func bounded(n uint64) int { return int(min(n, math.MaxInt32)) }

func (r *fieldRules) ofNumber(rules protoreflect.Message) bool {
	n := &numberRules{least: math.MinInt64, most: math.MaxInt64}
	r.number = n
	known := eachRule(rules, func(name protoreflect.Name, v protoreflect.Value) bool {
		switch name {
		case "gte":
			n.least = wholeOf(v)
		case "gt":
			n.least = wholeOf(v) + 1
			return n.least > math.MinInt64
		case "lte":
			n.most = wholeOf(v)
		case "lt":
			n.most = wholeOf(v) - 1
			return n.most < math.MaxInt64
		case "const":
			n.in = []int64{wholeOf(v)}
		case "in":
			n.in = wholes(v.List())
		case "not_in":
			n.notIn = wholes(v.List())
		default:
			return false
		}
		return true
	})
	// Bounds that are the wrong way round mean what is outside of them.
	return known && n.least <= n.most && !hasBoth(rules, "const", "in")
}

// wholeOf returns a number that is signed, or of 32 bits.
func wholeOf(v protoreflect.Value) int64 {
	switch n := v.Interface().(type) {
	case int32:
		return int64(n)
	case uint32:
		return int64(n)
	default:
		return v.Int()
	}
}

func wholes(l protoreflect.List) []int64 {
	var all []int64
	for i := range l.Len() {
		all = append(all, wholeOf(l.Get(i)))
	}
	return all
}

func (r *fieldRules) ofCount(rules protoreflect.Message, least, most protoreflect.Name) bool {
	return eachRule(rules, func(name protoreflect.Name, v protoreflect.Value) bool {
		switch name {
		case least:
			r.count.least = bounded(v.Uint())
		case most:
			r.count.most = bounded(v.Uint())
			return v.Uint() > 0 // 0 is no bound here
		default:
			return false
		}
		return true
	})
}
