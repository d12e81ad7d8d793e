package mapping

import (
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	tableFunction   = "table"
	settingFunction = "setting"
)

func tableFunctions() []function {
	s, dyn := cel.StringType, cel.DynType
	return []function{
		{tableFunction, []form{global(s, s, dyn), global(dyn, s, dyn, dyn)}, nil},
		{settingFunction, []form{global(s, s)}, nil},
	}
}

// tableFunction returns what table does with the table of that name, which the checker has found.
func (c *checker) tableFunction(name string) func(*call) ref.Val {
	rows := c.tables[name].Rows
	return func(called *call) ref.Val {
		code, ok := lookupText(called.args[1])
		if !ok {
			return called.fail("%s is looked up by %s, not by text or a number", name, kindOf(called.args[1]))
		}
		value, found := rows[code]
		switch {
		case found:
			return types.String(value)
		case called.has(2):
			return called.args[2]
		default:
			return types.WrapErr(&lookupFault{class: "mapping", text: func(personal bool) string { return "table " + name + " has no " + with("code", code, personal) }})
		}
	}
}

// setting is the function of that name. The names are checked where the settings are known.
func (c *checker) setting(called *call) ref.Val {
	value, ok := c.settings[called.text(0)]
	if !ok {
		return called.fail("the target connection has no setting %q", called.text(0))
	}
	return types.String(value)
}

// checkTable checks the name of a table.
func (c *checker) checkTable(name string) (msg, hint string) {
	t, ok := c.tables[name]
	switch {
	case !ok:
		return fmt.Sprintf("unknown table %q", name), orNearest(name, slices.Sorted(maps.Keys(c.tables)), "write it below tables: in the flow")
	case t.File != "":
		return fmt.Sprintf("the rows of table %q are in file %s, which was not read", name, t.File), "the rows are put into the document when it is applied"
	default:
		return "", ""
	}
}

// checkSetting checks the name of a setting of the target connection.
func (c *checker) checkSetting(name string) (msg, hint string) {
	if _, ok := c.settings[name]; ok || c.settings == nil {
		return "", ""
	}
	return fmt.Sprintf("the target connection has no setting %q", name), orNearest(name, slices.Sorted(maps.Keys(c.settings)), "write it below settings: in the connection")
}

// orNearest is the hint of a name that nothing has.
func orNearest(name string, known []string, otherwise string) string {
	if near := didYouMean(name, known); near != "" {
		return near
	}
	return otherwise
}
