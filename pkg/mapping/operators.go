package mapping

import (
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// operations are the operators and functions that look at two values together. CEL asks the
// left value what to do, and an int knows nothing of our decimals: 80 == record.status would be
// false without a word, 0 < record.qty an error. So these are done here, whole numbers and
// decimals being one kind of number on either side.
var operations = map[string]func(m meter, a, b ref.Val) ref.Val{
	operators.Equals:        func(m meter, a, b ref.Val) ref.Val { return types.Bool(m.equal(a, b)) },
	operators.NotEquals:     func(m meter, a, b ref.Val) ref.Val { return types.Bool(!m.equal(a, b)) },
	operators.Less:          ordering(func(c types.Int) bool { return c < 0 }),
	operators.LessEquals:    ordering(func(c types.Int) bool { return c <= 0 }),
	operators.Greater:       ordering(func(c types.Int) bool { return c > 0 }),
	operators.GreaterEquals: ordering(func(c types.Int) bool { return c >= 0 }),
	operators.Add:           add,
	operators.Subtract:      unmetered(arithmetic("-", traits.Subtractor.Subtract)),
	operators.Multiply:      unmetered(arithmetic("*", traits.Multiplier.Multiply)),
	operators.Divide:        unmetered(arithmetic("/", traits.Divider.Divide)),
	operators.Modulo:        unmetered(arithmetic("%", traits.Modder.Modulo)),
	operators.In:            in,
	"sets.contains":         func(m meter, a, b ref.Val) ref.Val { return inAll(m, b, a) },
	"sets.intersects":       intersects,
	"sets.equivalent": func(m meter, a, b ref.Val) ref.Val {
		return types.Bool(inAll(m, a, b) == types.True && inAll(m, b, a) == types.True)
	},
}

func unmetered(op func(a, b ref.Val) ref.Val) func(meter, ref.Val, ref.Val) ref.Val {
	return func(_ meter, a, b ref.Val) ref.Val { return op(a, b) }
}

// operation evaluates both sides and applies what operations says.
type operation struct {
	interpreter.InterpretableCall
	left, right interpreter.InterpretableV2
	do          func(m meter, a, b ref.Val) ref.Val
}

// Exec implements interpreter.InterpretableV2.
func (o *operation) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	a := o.left.Exec(frame)
	if types.IsUnknownOrError(a) {
		return a
	}
	b := o.right.Exec(frame)
	if types.IsUnknownOrError(b) {
		return b
	}
	m := meter{frame.CostTracker(), o.ID()}
	m.spend(1)
	return o.do(m, a, b)
}

// Eval implements interpreter.Interpretable.
func (o *operation) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, o.Exec)
}

// sizeOf is size() for which null is an empty list: vendors send either.
type sizeOf struct {
	interpreter.InterpretableCall
	arg interpreter.InterpretableV2
}

// Exec implements interpreter.InterpretableV2.
func (s *sizeOf) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := s.arg.Exec(frame)
	if types.IsUnknownOrError(v) {
		return v
	}
	sizer, ok := v.(traits.Sizer)
	if !ok {
		return types.NewErr("size of %s", kindOf(v))
	}
	meter{frame.CostTracker(), s.ID()}.spend(1)
	return sizer.Size()
}

// Eval implements interpreter.Interpretable.
func (s *sizeOf) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, s.Exec)
}

// equal compares by value: 80 and 80.0 are equal wherever they are, also within lists.
func (m meter) equal(a, b ref.Val) bool {
	switch x := a.(type) {
	case *number:
		return x.Equal(b) == types.True
	case types.Int, types.Uint:
		return promote(a).Equal(b) == types.True
	case types.String:
		m.spend(len(x) / 10)
		return x.Equal(b) == types.True
	case traits.Lister:
		y, ok := b.(traits.Lister)
		return ok && m.equalLists(x, y)
	case object:
		y, ok := b.(object)
		return ok && m.equalObjects(x, y)
	case traits.Mapper: // one that an expression made
		y, ok := b.(traits.Mapper)
		return ok && m.equalMaps(x, y)
	case null, types.Null:
		return b.Type() == types.NullType
	default:
		return b.Type() != types.NullType && a.Equal(b) == types.True
	}
}

func (m meter) equalLists(a, b traits.Lister) bool {
	if a.Size() != b.Size() {
		return false
	}
	j := b.Iterator()
	for i := a.Iterator(); i.HasNext() == types.True; {
		m.spend(1)
		if !m.equal(i.Next(), j.Next()) {
			return false
		}
	}
	return true
}

func (m meter) equalObjects(a, b object) bool {
	if len(a) != len(b) {
		return false
	}
	for key, v := range a {
		m.spend(1)
		w, ok := b[key]
		if !ok || !m.equal(wrap(v), wrap(w)) {
			return false
		}
	}
	return true
}

func (m meter) equalMaps(a, b traits.Mapper) bool {
	if a.Size() != b.Size() {
		return false
	}
	for i := a.Iterator(); i.HasNext() == types.True; {
		m.spend(1)
		key := i.Next()
		v, _ := a.Find(key)
		w, ok := b.Find(key)
		if !ok || !m.equal(v, w) {
			return false
		}
	}
	return true
}

// compare orders two values of one kind.
var compare = arithmetic("order", traits.Comparer.Compare)

func ordering(holds func(types.Int) bool) func(m meter, a, b ref.Val) ref.Val {
	return func(_ meter, a, b ref.Val) ref.Val {
		c, ok := compare(a, b).(types.Int)
		if !ok {
			return types.NewErr("can't compare %s with %s", kindOf(a), kindOf(b))
		}
		return types.Bool(holds(c))
	}
}

// add is the operator +, which makes texts and lists longer.
func add(m meter, a, b ref.Val) ref.Val {
	switch x := a.(type) {
	case types.String:
		y, _ := b.(types.String)
		m.spend((len(x) + len(y)) / 10)
		if len(x)+len(y) > maxText {
			return types.NewErr("the text would have more than %d bytes", maxText)
		}
	case traits.Lister:
		y, ok := b.(traits.Lister)
		if !ok {
			break
		}
		if length(x)+length(y) > maxElements {
			return types.NewErr("the list would have more than %d elements", maxElements)
		}
		if _, grows := a.(traits.MutableLister); !grows { // a macro's own result takes one more without a copy
			m.spend(length(x))
		}
		m.spend(length(y))
	}
	return sum(a, b)
}

var sum = arithmetic("+", traits.Adder.Add)

// arithmetic returns an operation that makes both sides decimals when one is, and refuses what
// the left side can't do.
func arithmetic[T any](sign string, op func(a T, b ref.Val) ref.Val) func(a, b ref.Val) ref.Val {
	return func(a, b ref.Val) ref.Val {
		if isNumber(a) || isNumber(b) {
			a, b = promote(a), promote(b)
		}
		able, ok := a.(T)
		if !ok {
			return mismatch(sign, a, b)
		}
		result := op(able, b)
		if err, ok := result.(*types.Err); ok && strings.HasPrefix(err.Error(), "no such overload") {
			return mismatch(sign, a, b)
		}
		return result
	}
}

func mismatch(sign string, a, b ref.Val) ref.Val {
	hint := ""
	if sign == "+" && (a.Type() == types.StringType || b.Type() == types.StringType) {
		hint = ": write string(…) around what is no text"
	}
	return types.NewErr("%s %s %s can't be computed%s", kindOf(a), sign, kindOf(b), hint)
}

func isNumber(v ref.Val) bool {
	_, ok := v.(*number)
	return ok
}

// in is the operator of that name; nothing is in null.
func in(m meter, elem, container ref.Val) ref.Val {
	switch c := container.(type) {
	case null, types.Null:
		return types.False
	case traits.Lister:
		return types.Bool(m.contains(c, elem))
	case traits.Container:
		return c.Contains(elem)
	default:
		return types.NewErr("in: %s is no list", kindOf(container))
	}
}

func (m meter) contains(l traits.Lister, elem ref.Val) bool {
	for it := l.Iterator(); it.HasNext() == types.True; {
		m.spend(1)
		if m.equal(it.Next(), elem) {
			return true
		}
	}
	return false
}

// inAll reports whether all elements of a are in b.
func inAll(m meter, a, b ref.Val) ref.Val {
	x, y, err := lists(a, b)
	if err != nil {
		return err
	}
	for it := x.Iterator(); it.HasNext() == types.True; {
		if !m.contains(y, it.Next()) {
			return types.False
		}
	}
	return types.True
}

func intersects(m meter, a, b ref.Val) ref.Val {
	x, y, err := lists(a, b)
	if err != nil {
		return err
	}
	for it := x.Iterator(); it.HasNext() == types.True; {
		if m.contains(y, it.Next()) {
			return types.True
		}
	}
	return types.False
}

func lists(a, b ref.Val) (x, y traits.Lister, err ref.Val) {
	x, okX := a.(traits.Lister)
	y, okY := b.(traits.Lister)
	if !okX || !okY {
		return nil, nil, types.NewErr("sets: %s and %s are no two lists", kindOf(a), kindOf(b))
	}
	return x, y, nil
}
