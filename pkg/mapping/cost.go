package mapping

import (
	"errors"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// What a mapping may cost. A unit is about a value that is looked at, or ten characters, and takes up to
// 300 ns. A document of 1,000 lines with ten computed fields each costs a tenth of it.
const (
	// costLimit bounds one evaluation of one expression.
	costLimit = 1_000_000
	// recordLimit bounds all that is done for one record.
	recordLimit = 2_000_000
	// maxElements bounds a list that an expression makes, and the elements that all each of a record walk.
	maxElements = 50_000
	// maxText bounds a text that an expression makes, in bytes.
	maxText = 1 << 20
)

var errRecordCost = errors.New("the record costs more than a mapping may do for one: its lists are too long, or an expression does too much")

// budget is what was done for one record.
type budget struct {
	spent    uint64
	elements int
}

// take adds to what was done.
func (b *budget) take(units *uint64) {
	if b != nil && units != nil {
		b.spent += *units
	}
}

// spend adds to what was done, and says when that is too much.
func (b *budget) spend(units uint64) error {
	if b == nil {
		return nil
	}
	b.spent += units
	if b.spent > recordLimit {
		return errRecordCost
	}
	return nil
}

// walk is spend for a list whose elements make so many fields each.
func (b *budget) walk(elements, fields int) error {
	b.elements += elements
	if b.elements > maxElements {
		return errRecordCost
	}
	return b.spend(uint64(elements) * uint64(fields+1))
}

// pricing is how CEL learns what a call cost: what a meter says, or the price of the values.
type pricing struct{}

// charge is the call that a meter makes up to spend units.
type charge struct{}

func (charge) Function() string   { return "@charge" }
func (charge) OverloadID() string { return "" }

// CallCost implements cost.ActualCostEstimator. It goes by the values alone: where a type is not known
// before, CEL does not know which overload it calls, and would take all for cheap.
func (pricing) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	if function == (charge{}).Function() {
		return pointer(uint64(args[0].(types.Uint)))
	}
	units := 1 + textPrice(result)
	for _, v := range args {
		units += textPrice(v)
	}
	return pointer(units)
}

// small are the prices of nearly all calls, so that none is allocated. Nobody writes to them.
var small = func() (all [256]uint64) {
	for i := range all {
		all[i] = uint64(i)
	}
	return all
}()

func pointer(units uint64) *uint64 {
	if units < uint64(len(small)) {
		return &small[units]
	}
	return &units
}

func textPrice(v ref.Val) uint64 {
	if text, ok := v.(types.String); ok {
		return uint64(len(text)) / 10
	}
	return 0
}

// price is what a value costs that is read or made as a whole.
func price(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v) / 10
	case traits.Lister:
		return length(v)
	default:
		return 0
	}
}

// length returns the number of elements of a list.
func length(l traits.Lister) int {
	n, _ := l.Size().(types.Int)
	return int(n)
}

// meter spends units of one evaluation. The zero meter spends nothing.
type meter struct {
	costs *cost.Tracker
	id    int64
}

// spend ends the evaluation, as CEL does, when there are no units left.
func (m meter) spend(units int) {
	if m.costs != nil && units > 0 {
		m.costs.EvalUnary(nil, m.id, charge{}, types.Uint(units), nil)
	}
}

// programOptions bound a program.
func programOptions(decorate interpreter.InterpretableDecoratorV2) []cel.ProgramOption {
	return []cel.ProgramOption{cel.CustomDecoratorV2(decorate), cel.CostTracking(pricing{}), cel.CostLimit(costLimit)}
}
