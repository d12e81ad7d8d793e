package mapping

import (
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/shopspring/decimal"
)

// The functions that macros call: of a list and one key for each of its elements.
const (
	groupByKeys = "@group"
	sortByKeys  = "@sort"
)

func listFunctions() []function {
	dyn, s, i := cel.DynType, cel.StringType, cel.IntType
	list := cel.ListType(cel.TypeParamType("A"))
	any1 := []form{global(dyn, cel.ListType(dyn))}
	return []function{
		{"sum", []form{global(decimalType, cel.ListType(dyn))}, total},
		{"avg", any1, average},
		{"min", any1, func(c *call) ref.Val { return c.extreme(c.list(0), -1) }},
		{"max", any1, func(c *call) ref.Val { return c.extreme(c.list(0), 1) }},
		{"count", []form{global(i, cel.ListType(dyn))}, func(c *call) ref.Val { return types.Int(len(c.list(0))) }},
		{"first", any1, func(c *call) ref.Val { return at(c.list(0), 0) }},
		{"last", any1, func(c *call) ref.Val { values := c.list(0); return at(values, len(values)-1) }},
		{"distinct", []form{member(list, list)}, distinct},
		{"sort", []form{member(list, list)}, func(c *call) ref.Val { return c.sorted(c.list(0), c.list(0)) }},
		{sortByKeys, []form{member(dyn, dyn, cel.ListType(dyn))}, func(c *call) ref.Val { return c.sorted(c.list(0), c.list(1)) }},
		{groupByKeys, []form{member(cel.ListType(dyn), dyn, cel.ListType(dyn))}, group},
		{"reverse", []form{member(list, list), member(s, s)}, reverse},
		{"flatten", []form{member(cel.ListType(dyn), cel.ListType(dyn))}, flatten},
		{"slice", []form{member(list, list, i, i)}, slice},
		{"sets.contains", []form{global(cel.BoolType, list, list)}, nil},
		{"sets.intersects", []form{global(cel.BoolType, list, list)}, nil},
		{"sets.equivalent", []form{global(cel.BoolType, list, list)}, nil},
	}
}

func at(values []ref.Val, i int) ref.Val {
	if i < 0 || i >= len(values) {
		return types.NullValue
	}
	return values[i]
}

// total is the function sum; nothing adds up to 0.
func total(c *call) ref.Val { return newNumber(c.total(c.list(0))) }

func (c *call) total(values []ref.Val) decimal.Decimal {
	all := decimal.Zero
	for i, v := range values {
		if !isNumber(promote(v)) {
			c.fail("element %d is %s, not a number%s", i+1, kindOf(v), numberHint(v))
			return all
		}
		if all = all.Add(c.asNumber(v)); checkSize(all) != nil {
			return all
		}
	}
	return all
}

// numberHint says what to write around what is no number.
func numberHint(v ref.Val) string {
	switch {
	case isNull(v):
		return ": write coalesce(…, 0) where that means none"
	case v.Type() == types.StringType:
		return ": write decimal(…)"
	default:
		return ""
	}
}

// average is the function avg, null of nothing.
func average(c *call) ref.Val {
	values := c.list(0)
	if len(values) == 0 {
		return types.NullValue
	}
	return (&number{value: c.total(values), parsed: true}).Divide(types.Int(len(values)))
}

// distinct is the function of that name: each value once, where it stands first.
func distinct(c *call) ref.Val {
	var once []ref.Val
	seen := map[string]bool{}
	for _, v := range c.list(0) {
		key := c.key(v)
		if !seen[key] {
			seen[key] = true
			once = append(once, v)
		}
	}
	return newList(once)
}

// sorted returns values in the order of their keys; equal ones stay as they stand.
func (c *call) sorted(values, keys []ref.Val) ref.Val {
	if len(values) != len(keys) {
		return c.fail("%d elements have %d keys", len(values), len(keys))
	}
	places := make([]int, len(values))
	for i := range places {
		places[i] = i
		if isNull(keys[i]) {
			return c.fail("element %d is null: write coalesce(…) for where it belongs", i+1)
		}
	}
	slices.SortStableFunc(places, func(i, j int) int {
		c.spend(1)
		return int(c.order(keys[i], keys[j]))
	})
	result := make([]ref.Val, 0, len(values))
	for _, i := range places {
		result = append(result, values[i])
	}
	return newList(result)
}

// The names of what a group has.
const (
	groupKey   = "key"
	groupItems = "items"
)

// group is the macro of that name: the elements with equal keys together, in the order in which the
// keys come first.
func group(c *call) ref.Val {
	values, keys := c.list(0), c.list(1)
	if len(values) != len(keys) {
		return c.fail("%d elements have %d keys", len(values), len(keys))
	}
	var order []string
	members := map[string][]any{}
	keyOf := map[string]ref.Val{}
	for i, v := range values {
		id := c.key(keys[i])
		if _, known := keyOf[id]; !known {
			order = append(order, id)
			keyOf[id] = keys[i]
		}
		members[id] = append(members[id], v)
	}
	groups := make([]ref.Val, 0, len(order))
	for _, id := range order {
		groups = append(groups, object{groupKey: keyOf[id], groupItems: members[id]})
	}
	return newList(groups)
}

// key returns a text that is the same for equal values, and for no others.
func (c *call) key(v ref.Val) string {
	var b strings.Builder
	c.writeKey(&b, v)
	return b.String()
}

func (c *call) writeKey(b *strings.Builder, v ref.Val) {
	c.spend(1 + price(v))
	switch v := promote(v).(type) {
	case null, types.Null:
		b.WriteString("null")
	case types.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case types.String:
		b.WriteString(strconv.Quote(string(v)))
	case *number:
		if err := v.parse(); err != nil {
			c.fail("%v", err)
		}
		b.WriteString(v.value.String())
	case types.Timestamp:
		b.WriteString("@" + strconv.FormatInt(v.Unix(), 10) + "." + strconv.Itoa(v.Nanosecond()))
	case traits.Lister:
		b.WriteByte('[')
		for it := v.Iterator(); it.HasNext() == types.True && c.fault == nil; {
			c.writeKey(b, it.Next())
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for it := v.Iterator(); it.HasNext() == types.True && c.fault == nil; {
			name := it.Next()
			c.writeKey(b, name)
			b.WriteByte(':')
			c.writeKey(b, v.Get(name))
		}
		b.WriteByte('}')
	default:
		c.fail("%s can't be told from others", kindOf(v))
	}
}

// reverse is the function of that name, of lists and text.
func reverse(c *call) ref.Val {
	if text, ok := c.args[0].(types.String); ok {
		runes := []rune(string(text))
		slices.Reverse(runes)
		return types.String(runes)
	}
	values := c.list(0)
	slices.Reverse(values)
	return newList(values)
}

// flatten is the function of that name: the elements of the lists in a list; null is an empty one.
func flatten(c *call) ref.Val {
	var all []ref.Val
	for i, v := range c.list(0) {
		if isNull(v) {
			continue
		}
		l, ok := v.(traits.Lister)
		if !ok {
			return c.fail("element %d is %s, not a list", i+1, kindOf(v))
		}
		c.spend(length(l))
		if len(all)+length(l) > maxElements {
			return c.fail("the list would have more than %d elements", maxElements)
		}
		for it := l.Iterator(); it.HasNext() == types.True; {
			all = append(all, it.Next())
		}
	}
	return newList(all)
}

// slice is the function of that name: from one element to before another, counted from 0; what is not
// there is left out.
func slice(c *call) ref.Val {
	values := c.list(0)
	from := c.whole(1, 0, maxElements)
	to := c.whole(2, from, maxElements)
	return newList(values[min(from, len(values)):min(to, len(values))])
}
