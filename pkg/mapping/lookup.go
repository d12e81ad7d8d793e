package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/reference"
)

// Lookup finds master data. Find returns the entries of a collection whose field has a value, without
// the blanks around it. It does not block, and may be called by many goroutines at once.
type Lookup interface {
	Find(collection, field, value string) []reference.Entry
}

// Missing says that a look-up found nothing: the record can't be mapped yet. It is the only error of
// Apply that is not permanent.
type Missing struct {
	Collection, Field, Value string
	// personal keeps the value out of the text.
	personal bool
}

// Error names what is missing; the value only where it is not personal.
func (m *Missing) Error() string {
	return fmt.Sprintf("%s has no entry with %s", m.Collection, with(m.Field, m.Value, m.personal))
}

// Personal reports whether the value is personal data.
func (m *Missing) Personal() bool { return m.personal }

// with names a field and its value, if that may be seen.
func with(field, value string, personal bool) string {
	if personal {
		return "that " + field
	}
	return fmt.Sprintf("%s %q", field, shorten(value))
}

// Use is a field of master data that a mapping relies on.
type Use struct {
	Collection, Field string
	// Searched is set for what entries are found by, and not for what is read of them.
	Searched bool
	// CollectionAt and FieldAt are where the two stand, Path names the expression that they are in.
	CollectionAt, FieldAt Pos
	Path                  string
}

// The function lookup, the variable that leads it to the Lookup of one Apply, and the classes of its
// errors.
const (
	lookupFunction = "lookup"
	lookupVariable = "@lookup"
	classLookup    = "reference"
	classAmbiguous = "reference-ambiguous"
)

// lookupDeclaration declares lookup; lookupCall does it.
func lookupDeclaration() cel.EnvOption {
	return cel.Function(lookupFunction, cel.Overload("lookup_string_string_dyn", []*cel.Type{cel.StringType, cel.StringType, cel.DynType}, cel.DynType))
}

// lookupFault is an error of a look-up that no arrival mends. What text says of the value is left out
// where that is personal.
type lookupFault struct {
	class    string
	text     func(personal bool) string
	personal bool
}

func (e *lookupFault) Error() string { return e.text(e.personal) }

// lookupCall is one call of lookup. Its collection and field are written out.
type lookupCall struct {
	interpreter.InterpretableCall
	collection, field string
	value             interpreter.InterpretableV2
}

// newLookupCall puts a lookupCall in the place of CEL's own call.
func newLookupCall(call interpreter.InterpretableCall) interpreter.InterpretableV2 {
	args := call.Args()
	return &lookupCall{InterpretableCall: call, collection: constant(args[0]), field: constant(args[1]), value: args[2]}
}

// constant returns the text of a literal; the checker let nothing else in.
func constant(node interpreter.InterpretableV2) string {
	if c, ok := node.(interpreter.InterpretableConst); ok {
		text, _ := c.Value().Value().(string)
		return text
	}
	return ""
}

// Exec implements interpreter.InterpretableV2.
func (l *lookupCall) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := l.value.Exec(frame)
	if types.IsUnknownOrError(v) {
		return v
	}
	lookup, _ := frame.ResolveName(lookupVariable)
	entry, err := l.find(lookup, v)
	if err != nil {
		return types.WrapErr(err)
	}
	return found{collection: l.collection, entry: entry}
}

// Eval implements interpreter.Interpretable.
func (l *lookupCall) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, l.Exec)
}

// find returns the one entry that the value leads to.
func (l *lookupCall) find(in any, v ref.Val) (reference.Entry, error) {
	value, ok := lookupText(v)
	if !ok {
		return reference.Entry{}, l.fault(classLookup, func(bool) string { return "is looked up by " + kindOf(v) + ", not by text or a number" })
	}
	if value == "" {
		return reference.Entry{}, l.fault(classLookup, func(bool) string { return "is looked up by a " + l.field + " that is empty" })
	}
	lookup, ok := in.(Lookup)
	if !ok {
		return reference.Entry{}, l.fault(classLookup, func(bool) string { return "can't be looked up in here" })
	}
	entries := lookup.Find(l.collection, l.field, value)
	switch len(entries) {
	case 0:
		return reference.Entry{}, &Missing{Collection: l.collection, Field: l.field, Value: value}
	case 1:
		return entries[0], nil
	default:
		return reference.Entry{}, l.fault(classAmbiguous, func(personal bool) string {
			return fmt.Sprintf("has %d entries with %s: ids %s", len(entries), with(l.field, value, personal), firstIDs(entries))
		})
	}
}

func (l *lookupCall) fault(class string, text func(personal bool) string) error {
	return &lookupFault{class: class, text: func(personal bool) string { return l.collection + " " + text(personal) }}
}

// maxIDs is how many ids of an ambiguous look-up an error names.
const maxIDs = 5

func firstIDs(entries []reference.Entry) string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	if len(ids) > maxIDs {
		return strings.Join(ids[:maxIDs], ", ") + ", …"
	}
	return strings.Join(ids, ", ")
}

// lookupText returns what to look up by: text without the blanks around it, or a number as its literal.
func lookupText(v ref.Val) (text string, ok bool) {
	if v.Type() == types.NullType {
		return "", true
	}
	switch v := promote(v).(type) {
	case types.String:
		return strings.TrimSpace(string(v)), true
	case *number:
		return v.text(), true
	default:
		return "", false
	}
}

// foundType is what lookup returns to an expression.
var foundType = types.NewObjectType("reference", traits.IndexerType, traits.FieldTesterType)

// found is an entry in an expression.
type found struct {
	collection string
	entry      reference.Entry
}

func (found) ConvertToNative(want reflect.Type) (any, error) {
	return nil, fmt.Errorf("an entry of master data can't be used as %v", want)
}

func (found) ConvertToType(want ref.Type) ref.Val {
	if want == types.TypeType {
		return foundType
	}
	return types.NewErr("an entry of master data can't be converted to %s", want.TypeName())
}

func (f found) Equal(other ref.Val) ref.Val {
	o, ok := other.(found)
	return types.Bool(ok && o.collection == f.collection && o.entry.ID == f.entry.ID)
}

func (found) Type() ref.Type { return foundType }
func (f found) Value() any   { return f.entry }

// Get returns a field; one that the entry lacks is an error that names both.
func (f found) Get(key ref.Val) ref.Val {
	name, ok := key.Value().(string)
	if !ok {
		return types.NewErr("an entry of master data has no element %v: fields are text", key.Value())
	}
	value, ok := f.entry.Field(name)
	if !ok {
		return types.WrapErr(&lookupFault{class: classLookup, text: func(bool) string {
			return fmt.Sprintf("%s with id %s has no %s", f.collection, f.entry.ID, name)
		}})
	}
	return types.String(value)
}

// IsSet is what has() asks.
func (f found) IsSet(key ref.Val) ref.Val {
	name, _ := key.Value().(string)
	_, ok := f.entry.Field(name)
	return types.Bool(ok)
}

// lookupError returns what a failed expression says of a look-up, nil when that is not what failed.
func lookupError(err error, personal bool) error {
	if missing, ok := errors.AsType[*Missing](err); ok {
		return &Missing{Collection: missing.Collection, Field: missing.Field, Value: missing.Value, personal: personal}
	}
	if broken, ok := errors.AsType[*lookupFault](err); ok {
		return &lookupFault{class: broken.class, text: broken.text, personal: personal}
	}
	return nil
}

// verdict is the error of a record with faults: Missing when nothing else is wrong with it, for then
// it can wait. Otherwise all are named, with the class of the look-ups where these are all the same,
// else with the given one.
func verdict(class, prefix string, faults []error) error {
	var classes []string
	var missing error
	for _, err := range faults {
		broken, isLookup := errors.AsType[*lookupFault](err)
		_, isMissing := errors.AsType[*Missing](err)
		switch {
		case isMissing && missing == nil:
			missing = err
		case isMissing:
		case isLookup:
			classes = append(classes, broken.class)
		default:
			classes = append(classes, class)
		}
	}
	if len(classes) == 0 {
		return missing
	}
	if len(slices.Compact(classes)) == 1 {
		class = classes[0]
	}
	return fault.Permanent(class, fmt.Errorf("%s%w", prefix, join(faults)))
}

// lookup notes what a call of lookup relies on, and refuses one whose collection and field are not
// written out: what a mapping needs must be known before the first record comes.
func (c *checker) lookup(e Expr, checked *ast.AST, call ast.CallExpr) {
	texts := make([]string, 2)
	for i, what := range []string{"collection", "field"} {
		arg := call.Args()[i]
		text, ok := textArgument(call.Args(), i)
		if !ok || text == "" {
			c.fail(c.place(e, checked, arg.ID()), e.Path, "the "+what+" of lookup must be written out as text", `lookup("kingdee.material", "number", …)`)
			return
		}
		texts[i] = text
	}
	c.uses = append(c.uses, Use{
		Collection: texts[0], Field: texts[1], Searched: true, Path: e.Path,
		CollectionAt: c.place(e, checked, call.Args()[0].ID()), FieldAt: c.place(e, checked, call.Args()[1].ID()),
	})
}

// place is where a node of an expression stands in the document.
func (*checker) place(e Expr, checked *ast.AST, id int64) Pos {
	at := checked.SourceInfo().GetStartLocation(id)
	return e.Place(nameBefore(e.Text, runeOffset(e.Text, at.Line(), at.Column())))
}

// reads notes a field that is read of what a look-up found.
func (c *checker) reads(e Expr, checked *ast.AST, node ast.Expr) {
	call, ok := lookupOf(node.AsSelect().Operand())
	if !ok || node.AsSelect().IsTestOnly() {
		return
	}
	if collection, ok := textArgument(call.Args(), 0); ok {
		c.uses = append(c.uses, Use{
			Collection: collection, Field: node.AsSelect().FieldName(), Path: e.Path,
			CollectionAt: c.place(e, checked, call.Args()[0].ID()), FieldAt: c.place(e, checked, node.ID()),
		})
	}
}

// lookupOf returns the call of lookup that a node is.
func lookupOf(node ast.Expr) (ast.CallExpr, bool) {
	if node.Kind() != ast.CallKind || node.AsCall().FunctionName() != lookupFunction {
		return nil, false
	}
	return node.AsCall(), true
}
