package mapping

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/erpstream/erpstream/pkg/record"
)

// indexVariable is the number of an element in the list that each walks.
const indexVariable = "index"

// scope is what the expressions of one place see. It is CEL's activation too.
type scope struct {
	record, item, parent any
	// index is the number of the item in its list, from 1.
	index    int
	envelope *record.Envelope
	// budget is what was done for the record, nil for what no record is needed for.
	budget *budget
	// lookup is nil where nothing is looked up.
	lookup *noting
	// once holds what is the same for all elements of a list, by slot.
	once []memo
	// pass shows record, item and parent where the record is read in one pass.
	pass *pass
}

// within returns the scope of one element of a list.
func (s *scope) within(item any) *scope {
	return &scope{record: s.record, item: item, parent: s.item, envelope: s.envelope, budget: s.budget, lookup: s.lookup, once: s.once}
}

func (s *scope) root(name string) any {
	switch name {
	case "item":
		return s.item
	case "parent":
		return s.parent
	default:
		return s.record
	}
}

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "record", "item", "parent":
		if s.pass != nil {
			return s.pass.root(name), true
		}
		return wrap(s.root(name)), true
	case indexVariable:
		return s.index, true
	case "meta.key":
		return s.envelope.Key, true
	case "meta.source":
		return s.envelope.Source, true
	case "meta.version":
		return s.envelope.Version, true
	case "meta.time":
		return s.envelope.Time, true
	case lookupVariable:
		if s.lookup == nil {
			return nil, false
		}
		return s.lookup, true
	default:
		return nil, false
	}
}

// Parent implements cel.Activation.
func (*scope) Parent() cel.Activation { return nil }

// expression is one compiled expression: a path that is followed, or a CEL program.
type expression struct {
	text string
	// direct is the path when program is nil.
	direct  path
	program cel.Program
	// checked is what program was made of, until the mapping is compiled.
	checked *ast.AST
	// static is the type that the checker found; dyn for a path.
	static *cel.Type
	// varies is set when the result depends on the record, ofItem when it depends on the element
	// of a list that is walked. One with a look-up varies: master data does.
	varies, ofItem bool
	// looksUp is set when there is a look-up in it.
	looksUp bool
	// reads are the paths in the expression, for errors.
	reads []path
	// personal keeps values out of errors.
	personal bool
}

// value evaluates the expression. What it returns is a JSON value, a time.Time, or, within a
// list, a value of CEL.
func (e *expression) value(s *scope) (any, error) {
	if e.program == nil {
		return e.read(s.root(e.direct.root))
	}
	if s.lookup != nil {
		s.lookup.personal = e.personal
	}
	if err := s.budget.spend(1); err != nil {
		return nil, err
	}
	result, details, err := e.program.Eval(s)
	if details != nil {
		s.budget.take(details.ActualCost())
	}
	if err != nil {
		return nil, e.explain(s, err)
	}
	v, err := unwrap(result)
	if err != nil {
		return nil, e.explain(s, err)
	}
	return v, nil
}

// read follows the path from the value of its root on.
func (e *expression) read(root any) (any, error) {
	v, err := e.direct.from(root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shorten(e.text), err)
	}
	return plain(v)
}

// explain says why an expression failed: which of the values that it reads are null, or, for a
// mismatch of kinds, what they all are.
func (e *expression) explain(s *scope, err error) error {
	if lookup := lookupError(err, e.personal); lookup != nil {
		return fmt.Errorf("%s: %w", shorten(e.text), lookup)
	}
	why := celMessage(err.Error())
	if e.personal {
		why = "it can't be computed"
	}
	var kinds []string
	mismatch := strings.Contains(why, "no such key") || strings.Contains(why, "can't") || e.personal
	for _, p := range e.reads {
		v, err := p.follow(s)
		switch {
		case err != nil:
			kinds = append(kinds, err.Error())
		case kindOf(v) == "null" || mismatch:
			kinds = append(kinds, p.String()+" is "+kindOf(v))
		}
	}
	if len(kinds) > 0 {
		why += "; " + strings.Join(slices.Compact(kinds), ", ")
	}
	return fmt.Errorf("%s: %s", shorten(e.text), why)
}

// truth evaluates a condition.
func (e *expression) truth(s *scope) (bool, error) {
	v, err := e.value(s)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("%s: the result is %s, not true or false", shorten(e.text), kindOf(v))
	}
	return b, nil
}

// elements evaluates a list; null is an empty one.
func (e *expression) elements(s *scope) ([]any, error) {
	v, err := e.value(s)
	if err != nil {
		return nil, err
	}
	return e.list(v)
}

// list returns the elements of the list that the expression gave.
func (e *expression) list(v any) ([]any, error) {
	items, ok := v.([]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("%s is %s, not a list", shorten(e.text), kindOf(v))
	}
	return items, nil
}

// celMessage says in plain words what CEL says.
func celMessage(text string) string {
	text, _, _ = strings.Cut(text, " (in container")
	if strings.HasSuffix(text, "actual cost limit exceeded") {
		return "cost limit exceeded: the expression does too much for one record"
	}
	if call, ok := strings.CutPrefix(text, "no such overload: "); ok {
		text = strings.ReplaceAll(call, "null_type", "null") + " can't be computed"
	}
	return text
}
