package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// A record is held as encoding/json gives it: nil, bool, string, json.Number, []any,
// map[string]any. The types below show that to expressions without copying it. They are no maps
// and lists of CEL's own, because a key that is not there reads as null: vendors leave keys out.

// wrap shows a JSON value to an expression.
func wrap(v any) ref.Val {
	switch v := v.(type) {
	case nil:
		return null{}
	case bool:
		return types.Bool(v)
	case string:
		return types.String(v)
	case json.Number:
		return &number{literal: string(v)}
	case map[string]any:
		return object(v)
	case []any:
		return list{Lister: types.NewDynamicList(types.DefaultTypeAdapter, v), items: v}
	case ref.Val:
		return v
	default:
		return types.NewErr("a value of type %T in a record", v)
	}
}

// unwrap undoes wrap. Times stay times, text that is computed is text, and so on; an empty
// optional is nothing.
func unwrap(v ref.Val) (any, error) {
	switch v := v.(type) {
	case null, types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		return string(v), nil
	case types.Int:
		return json.Number(strconv.FormatInt(int64(v), 10)), nil
	case types.Uint:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case *number:
		return json.Number(v.text()), nil
	case types.Timestamp:
		return v.Time, nil
	case object:
		return map[string]any(v), nil
	case list:
		return v.items, nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return unwrap(v.GetValue())
	case traits.Lister:
		return unwrapList(v)
	case *types.Err:
		return nil, v
	default:
		return nil, fmt.Errorf("a result of type %s can't be used", v.Type().TypeName())
	}
}

// unwrapList returns the elements of a list that was computed. They stay values of expressions
// where they are: an item goes back into one.
func unwrapList(l traits.Lister) (any, error) {
	var items []any
	for it := l.Iterator(); it.HasNext() == types.True; {
		items = append(items, it.Next())
	}
	return items, nil
}

// plain returns what a list that was computed holds as a JSON value.
func plain(v any) (any, error) {
	if v, ok := v.(ref.Val); ok {
		return unwrap(v)
	}
	return v, nil
}

// kindOf names the kind of a value for people.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil, null, types.Null:
		return "null"
	case bool, types.Bool:
		return "a boolean"
	case string, types.String:
		return "text"
	case json.Number, *number, types.Int, types.Uint:
		return "a number"
	case time.Time, types.Timestamp:
		return "a time"
	case []any, list, traits.Lister:
		return "a list"
	case map[string]any, object:
		return "an object"
	case ref.Val:
		return v.Type().TypeName()
	default:
		return fmt.Sprintf("%T", v)
	}
}

// null is a null or a missing key. Anything in it is null again, and where a list is walked or
// measured it is an empty one.
type null struct{}

func (null) ConvertToNative(want reflect.Type) (any, error) {
	return types.NullValue.ConvertToNative(want)
}

func (n null) ConvertToType(want ref.Type) ref.Val {
	switch want {
	case types.NullType:
		return n
	case types.TypeType:
		return types.NullType
	default:
		return types.NewErr("null can't be converted to %s", want.TypeName())
	}
}

func (null) Equal(other ref.Val) ref.Val { return types.Bool(other.Type() == types.NullType) }
func (null) Type() ref.Type              { return types.NullType }
func (null) Value() any                  { return nil }
func (null) IsZeroValue() bool           { return true }
func (null) Get(ref.Val) ref.Val         { return null{} }
func (null) IsSet(ref.Val) ref.Val       { return types.False }
func (null) Size() ref.Val               { return types.IntZero }

// objectType is no map of CEL's own: see object.
var objectType = types.NewObjectType("object", traits.IndexerType, traits.FieldTesterType, traits.ContainerType,
	traits.IterableType, traits.SizerType)

// object is a JSON object. It is an indexer and not a mapper, for which a missing key would be
// an error.
type object map[string]any

func (object) ConvertToNative(want reflect.Type) (any, error) {
	return nil, fmt.Errorf("an object can't be used as %v", want)
}

func (object) ConvertToType(want ref.Type) ref.Val {
	if want == types.TypeType {
		return objectType
	}
	return types.NewErr("an object can't be converted to %s", want.TypeName())
}

func (o object) Equal(other ref.Val) ref.Val { return types.Bool(meter{}.equal(o, other)) }

func (object) Type() ref.Type      { return objectType }
func (o object) Value() any        { return map[string]any(o) }
func (o object) IsZeroValue() bool { return len(o) == 0 }
func (o object) Size() ref.Val     { return types.Int(len(o)) }

// Get returns the value of a key, null when there is none.
func (o object) Get(key ref.Val) ref.Val {
	k, ok := key.(types.String)
	if !ok {
		return types.NewErr("an object has no element %v: keys are text", key.Value())
	}
	return wrap(o[string(k)])
}

// IsSet is what has() asks: whether the key is there, be it null.
func (o object) IsSet(key ref.Val) ref.Val {
	k, ok := key.(types.String)
	if !ok {
		return types.False
	}
	_, found := o[string(k)]
	return types.Bool(found)
}

// Contains is the operator in.
func (o object) Contains(key ref.Val) ref.Val { return o.IsSet(key) }

// Iterator walks the keys in order, so that the same record always gives the same result.
func (o object) Iterator() traits.Iterator {
	keys := make([]string, 0, len(o))
	for key := range o {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return types.NewStringList(types.DefaultTypeAdapter, keys).Iterator()
}

// list is a JSON array. The embedded list does what needs no look into the elements.
type list struct {
	traits.Lister
	items []any
}

// Get returns an element, null behind the end.
func (l list) Get(index ref.Val) ref.Val {
	i, err := types.GetOrError(index)
	switch {
	case err != nil:
		return types.WrapErr(err)
	case i < 0:
		return types.WrapErr(errors.New("an index can't be negative"))
	case i >= len(l.items):
		return null{}
	default:
		return wrap(l.items[i])
	}
}

// GetInt64Index is Get for an index that is a constant.
func (l list) GetInt64Index(i int64) (any, bool) { return l.Get(types.Int(i)), true }

// Add implements traits.Adder.
func (l list) Add(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	both := make([]ref.Val, 0, len(l.items))
	for it := l.Iterator(); it.HasNext() == types.True; {
		both = append(both, it.Next())
	}
	for it := o.Iterator(); it.HasNext() == types.True; {
		both = append(both, it.Next())
	}
	return types.NewRefValList(types.DefaultTypeAdapter, both)
}

// Contains implements traits.Container.
func (l list) Contains(elem ref.Val) ref.Val { return types.Bool(meter{}.contains(l, elem)) }

// Equal implements ref.Val.
func (l list) Equal(other ref.Val) ref.Val { return types.Bool(meter{}.equal(l, other)) }

// Iterator implements traits.Iterable.
func (l list) Iterator() traits.Iterator {
	return &listIterator{Iterator: l.Lister.Iterator(), items: l.items}
}

// listIterator shows the elements of a list one after the other.
type listIterator struct {
	traits.Iterator
	items []any
	next  int
}

func (it *listIterator) HasNext() ref.Val { return types.Bool(it.next < len(it.items)) }

func (it *listIterator) Next() ref.Val {
	if it.next >= len(it.items) {
		return nil
	}
	it.next++
	return wrap(it.items[it.next-1])
}
