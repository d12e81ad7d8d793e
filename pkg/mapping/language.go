package mapping

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
	"github.com/shopspring/decimal"
)

// function is one function of the language: the forms in which it is called, and what it does.
type function struct {
	name  string
	forms []form
	do    func(c *call) ref.Val
}

// form is one way to call a function: f(a, b), or a.f(b) for a member.
type form struct {
	member bool
	args   []*cel.Type
	result *cel.Type
}

// anyNumber is an argument that takes whole numbers and decimals.
var anyNumber = cel.OpaqueType("number")

func global(result *cel.Type, args ...*cel.Type) form { return form{args: args, result: result} }

func member(result *cel.Type, args ...*cel.Type) form {
	return form{member: true, args: args, result: result}
}

// declare declares the functions; decorate does what they do.
func declare(functions []function) []cel.EnvOption {
	var options []cel.EnvOption
	for _, f := range functions {
		var overloads []cel.FunctionOpt
		for _, form := range f.forms {
			for _, args := range withNumbers(form.args) {
				id := overloadID(f.name, form.member, args)
				if form.member {
					overloads = append(overloads, cel.MemberOverload(id, args, form.result))
				} else {
					overloads = append(overloads, cel.Overload(id, args, form.result))
				}
			}
		}
		options = append(options, cel.Function(f.name, overloads...))
	}
	return options
}

// withNumbers returns the lists of arguments with each kind of number in the place of anyNumber.
func withNumbers(args []*cel.Type) [][]*cel.Type {
	all := [][]*cel.Type{nil}
	for _, arg := range args {
		kinds := []*cel.Type{arg}
		if arg == anyNumber {
			kinds = []*cel.Type{decimalType, cel.IntType}
		}
		var longer [][]*cel.Type
		for _, before := range all {
			for _, kind := range kinds {
				longer = append(longer, append(append([]*cel.Type(nil), before...), kind))
			}
		}
		all = longer
	}
	return all
}

func overloadID(name string, isMember bool, args []*cel.Type) string {
	parts := []string{"erpstream", name}
	if isMember {
		parts = append(parts, "of")
	}
	for _, arg := range args {
		parts = append(parts, strings.NewReplacer("(", "_", ")", "", " ", "", ",", "_").Replace(arg.String()))
	}
	return strings.Join(parts, "_")
}

// call is a call of a function while it runs: what it is given, and the first thing that is wrong with
// that.
type call struct {
	meter
	name  string
	args  []ref.Val
	fault ref.Val
	// room is where the arguments of most calls are.
	room [4]ref.Val
}

// fail says what is wrong; the first to say so counts.
func (c *call) fail(format string, args ...any) ref.Val {
	if c.fault == nil {
		c.fault = types.NewErr("%s: %s", c.name, fmt.Sprintf(format, args...))
	}
	return c.fault
}

// has reports whether there is an argument i.
func (c *call) has(i int) bool { return i < len(c.args) }

// text returns an argument that must be text.
func (c *call) text(i int) string {
	text, ok := c.args[i].(types.String)
	if !ok {
		c.fail("%s is no text", kindOf(c.args[i]))
	}
	return string(text)
}

// number returns an argument that must be a number.
func (c *call) number(i int) decimal.Decimal { return c.asNumber(c.args[i]) }

func (c *call) asNumber(v ref.Val) decimal.Decimal {
	n, ok := promote(v).(*number)
	switch {
	case !ok && v.Type() == types.StringType:
		c.fail("text is no number: write decimal(…) around it")
		return decimal.Zero
	case !ok:
		c.fail("%s is no number", kindOf(v))
		return decimal.Zero
	}
	if err := n.parse(); err != nil {
		c.fail("%v", err)
	}
	return n.value
}

// whole returns an argument that must be a whole number within bounds.
func (c *call) whole(i, low, high int) int {
	n, ok := c.args[i].(types.Int)
	if d, isNumber := c.args[i].(*number); isNumber {
		n, ok = d.toInt().(types.Int)
	}
	if !ok || n < types.Int(low) || n > types.Int(high) {
		c.fail("%s is no whole number from %d to %d", shortly(c.args[i]), low, high)
		return low
	}
	return int(n)
}

// shortly returns a number as it is, and of anything else its kind.
func shortly(v ref.Val) string {
	if n, ok := promote(v).(*number); ok {
		return shorten(n.text())
	}
	return kindOf(v)
}

// list returns the elements of an argument that must be a list; null is an empty one.
func (c *call) list(i int) []ref.Val {
	l, ok := c.args[i].(traits.Lister)
	if !ok {
		if c.args[i].Type() != types.NullType {
			c.fail("%s is no list", kindOf(c.args[i]))
		}
		return nil
	}
	if length(l) > maxElements {
		c.fail("a list of more than %d elements", maxElements)
		return nil
	}
	values := make([]ref.Val, 0, length(l))
	for it := l.Iterator(); it.HasNext() == types.True; {
		values = append(values, it.Next())
	}
	return values
}

// made returns a text that grew, if it is not too long.
func (c *call) made(bytes int, text func() string) ref.Val {
	if bytes > maxText {
		return c.fail("the text would have more than %d bytes", maxText)
	}
	return types.String(text())
}

func newList(values []ref.Val) ref.Val { return types.NewRefValList(types.DefaultTypeAdapter, values) }

// invocation is a node of a program that calls a function of the language.
type invocation struct {
	interpreter.InterpretableCall
	nodes []interpreter.InterpretableV2
	do    func(c *call) ref.Val
}

// Exec implements interpreter.InterpretableV2.
func (n *invocation) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	c := &call{meter: meter{frame.CostTracker(), n.ID()}, name: n.Function()}
	c.args = c.room[:0]
	units := 1
	for _, node := range n.nodes {
		v := node.Exec(frame)
		if types.IsUnknownOrError(v) {
			return v
		}
		c.args = append(c.args, v)
		units += price(v)
	}
	c.spend(units)
	result := n.do(c)
	if c.fault != nil {
		return c.fault
	}
	c.spend(price(result))
	return result
}

// Eval implements interpreter.Interpretable.
func (n *invocation) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// pick is the first of some values that will do, null when none does. What stands behind it is not
// looked at.
type pick struct {
	interpreter.InterpretableCall
	nodes []interpreter.InterpretableV2
	skip  func(v ref.Val) bool
}

// Exec implements interpreter.InterpretableV2.
func (p *pick) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	meter{frame.CostTracker(), p.ID()}.spend(1)
	for _, node := range p.nodes {
		v := node.Exec(frame)
		if types.IsUnknownOrError(v) || !p.skip(v) {
			return v
		}
	}
	return types.NullValue
}

// Eval implements interpreter.Interpretable.
func (p *pick) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, p.Exec)
}

// decorate puts what this package does in the place of CEL's own calls.
func (c *checker) decorate(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	called, ok := node.(interpreter.InterpretableCall)
	if !ok {
		return node, nil
	}
	name, args := called.Function(), called.Args()
	if op, ok := operations[name]; ok && len(args) == 2 {
		return &operation{InterpretableCall: called, left: args[0], right: args[1], do: op}, nil
	}
	switch name {
	case lookupFunction:
		return newLookupCall(called), nil
	case "size":
		if len(args) == 1 {
			return &sizeOf{InterpretableCall: called, arg: args[0]}, nil
		}
	case "coalesce":
		return &pick{InterpretableCall: called, nodes: args, skip: isBlank}, nil
	case "default":
		return &pick{InterpretableCall: called, nodes: args, skip: isNull}, nil
	}
	do, err := c.implementation(name, args)
	if do == nil || err != nil {
		return node, err
	}
	return &invocation{InterpretableCall: called, nodes: args, do: do}, nil
}

// implementation returns what a function does, nil when it is CEL's own. What is written out in a call is
// prepared once.
func (c *checker) implementation(name string, args []interpreter.InterpretableV2) (func(*call) ref.Val, error) {
	switch name {
	case "matches", "extract", "extract_all", "regex_replace":
		return regexFunction(name, constant(args[1]))
	case "datetime", "format_time":
		if len(args) == 3 {
			return c.times.inZone(name, constant(args[2]))
		}
	case tableFunction:
		return c.tableFunction(constant(args[0])), nil
	case settingFunction:
		return c.setting, nil
	}
	if do, ok := c.times.functions()[name]; ok {
		return do, nil
	}
	return ours()[name], nil
}
