package mapping

import (
	"fmt"
	"strings"
	"testing"

	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

func TestCompileRefuses(t *testing.T) {
	at := func(text string) Expr { return Expr{Text: text, At: Pos{Line: 3, Column: 10}, Path: "map.f"} }
	leaf := func(name, text string) []Field {
		return []Field{{Name: name, At: Pos{Line: 3, Column: 3}, Path: "map." + name, Value: at(text)}}
	}
	tests := []struct {
		name   string
		fields []Field
		want   string
	}{
		{"unknown field", leaf("i46", "record.x"), `3:3: map.i46: Everything has no field "i46" (did you mean i64?)`},
		{"field twice", append(leaf("i64", "record.x"), leaf("i64", "record.y")...), "3:3: map.i64: the field is mapped twice"},
		{"two of a oneof", append(leaf("one", "record.x"), leaf("other", "record.y")...), "3:3: map.other: one is mapped already, and only one field of choice can be set"},
		{"text for a number", leaf("i64", `"a" + record.x`), "3:10: map.f: the expression is string, i64 wants int, uint, decimal (write int(…))"},
		{"number for text", leaf("text", "size(record.x)"), "3:10: map.f: the expression is int, text wants string, decimal (write string(…))"},
		{"bool for a number", leaf("i32", "record.x > 1"), "the expression is bool"},
		{"number for a bool", leaf("flag", "1 + 1"), "the expression is int, flag wants bool"},
		{"list for text", leaf("text", "[record.x]"), "the expression is list(dyn)"},
		{"number for an enum", leaf("color", "1"), "the expression is int, color wants string"},
		{"unknown value of an enum", leaf("color", `"BLUE"`), "3:10: map.f: text is no name of a value of Color"},
		{"constant out of range", leaf("i32", "2147483648"), "3:10: map.f: a number is out of the range of int32"},
		{"plain path for a time", leaf("at", "record.x"), "3:10: map.f: the expression is dyn, at wants timestamp (use datetime(…))"},
		{"text for a time", leaf("at", "date(record.x)"), "use datetime(…)"},
		{"double field", leaf("float", "record.x"), "3:3: map.float: float is a floating point number, which loses digits"},
		{"bytes field", leaf("raw", "record.x"), "raw is of kind bytes"},
		{"expression for a message", leaf("nested", "record.x"), "nested is a Everything: it needs map"},
		{"map for a scalar", []Field{{Name: "i64", At: Pos{Line: 3, Column: 3}, Path: "map.i64", Fields: []Field{}}}, "3:3: map.i64: map is for messages, and i64 is a int64"},
		{"map for a time", []Field{{Name: "at", Path: "map.at", Fields: []Field{}}}, "map is for messages, and at is a Timestamp"},
		{"list without each", leaf("texts", "record.x"), "3:3: map.texts: is a list (write each: <list> with map: or value:)"},
		{"each without list", []Field{{Name: "i64", At: Pos{Line: 3, Column: 3}, Path: "map.i64", Each: at("record.x"), Value: at("item")}}, "each is for lists, and i64 is none"},
		{"each of no list", []Field{{Name: "texts", Each: at("size(record.x)"), Value: at("item")}}, "the result is int, not a list"},
		{"item outside each", leaf("text", "item.x"), "3:10: map.f: undeclared reference to 'item' (item is known within each only)"},
		{"item in a function", leaf("text", "string(item.x)"), "3:17: map.f: undeclared reference to 'item' (item is known within each only)"},
		{"parent in a single each", []Field{{Name: "texts", Each: at("record.x"), Value: at("parent.x")}}, "undeclared reference to 'parent'"},
		{"unknown function", leaf("at", "datetme(record.x)"), "3:10: map.f: undeclared reference to 'datetme' (did you mean datetime?)"},
		{"unknown variable", leaf("text", "recort.x"), "3:10: map.f: undeclared reference to 'recort' (did you mean record?)"},
		{"unknown meta", leaf("text", "meta.keys"), "meta has key, version, source, time"},
		{"syntax", leaf("text", "record.x +"), "3:20: map.f: Syntax error: mismatched input the end"},
		{"bad letter", leaf("text", "采购"), "3:10: map.f: Syntax error: token recognition error"},
		{"empty", leaf("text", "  "), "3:10: map.f: expression is empty"},
		{"too long", leaf("text", strings.Repeat("1+", 3000)+"1"), "expression is longer than 4096 characters"},
		{"floating point", leaf("amount", "decimal(record.x) * 1.5"), `3:28: map.f: found no matching overload for '*' applied to '(decimal, double)' (floating point loses digits`},
		{"floating point with what is not known", leaf("amount", "record.x * 1.5"), `3:21: map.f: floating point number (write decimal("1.5"))`},
		{"function of floating point", leaf("text", `string(double(record.x))`), "floating point number (floating point loses digits"},
		{"decimal against whole number", leaf("flag", `decimal(record.x) == 1`), "3:28: map.f: found no matching overload for '==' applied to '(decimal, int)' (both sides must be of one kind"},
		{"text and number", leaf("text", `"a" + 1`), "3:14: map.f: found no matching overload for '+' applied to '(string, int)' (write string(…)"},
		{"layout", leaf("text", `format_time(record.x, "YYYY-MM-dd")`), "3:32: map.f: format_time: 'Y' in layout \"YYYY-MM-dd\" is none of"},
		{"rounding", leaf("amount", `round(decimal(record.x), 2, "bankers")`), `3:38: map.f: round: rounding "bankers" is none of ceil, down, floor, half_down, half_even, half_up, up`},
		{"pattern", leaf("text", `string(record.x).extract("(a")`), "3:35: map.f: extract: pattern: error parsing regexp: missing closing )"},
		{"pattern of a record", leaf("flag", `"a".matches(record.x)`), "3:28: map.f: the pattern of matches must be written out as text"},
		{"large pattern", leaf("flag", `string(record.x).matches("`+strings.Repeat("(a{30}){30}", 40)+`")`), "more than 5000: its repetitions are too many"},
		{"zone", leaf("text", `format_time(record.x, "yyyy", "Asia/Bejing")`), `unknown time zone "Asia/Bejing"`},
		{"local zone", leaf("text", `format_time(record.x, "yyyy", "Local")`), `unknown time zone "Local"`},
		{"unit", leaf("at", `start_of(record.x, "decade")`), `start_of: "decade" is none of minute, hour`},
		{"unknown table", leaf("text", `table("pay", record.x)`), `3:16: map.f: table: unknown table "pay" (write it below tables: in the flow)`},
		{"table of a record", leaf("text", `table(record.t, record.x)`), "the name of table must be written out as text"},
		{"choose without an otherwise", leaf("text", `choose(true, "a")`), "choose wants conditions with a value each"},
		{"index outside each", leaf("i64", "index"), "index, the number of the line from 1, is known within each only"},
		{"parts of a time in UTC", leaf("i64", "datetime(record.x).getMonth()"), "undeclared reference to 'getMonth'"},
		{"constant that fails", leaf("amount", `decimal("1,5")`), `decimal: "1,5": not a number`},
	}
	for _, tt := range tests {
		_, issues := Compile(Spec{Fields: tt.fields, At: Pos{Line: 2, Column: 1}}, everything(t))
		if len(issues) != 1 || !strings.Contains(issues[0].String(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.name, issues, tt.want)
		}
	}
}

func TestCompileFindsAllFaults(t *testing.T) {
	spec := Spec{
		At:      Pos{Line: 4, Column: 1},
		Where:   Expr{Text: "size(record.x)", At: Pos{Line: 2, Column: 8}, Path: "where"},
		Quality: []Rule{{Rule: Expr{Text: "nope(1)", At: Pos{Line: 3, Column: 10}, Path: "quality[0].rule"}, Else: "ignore"}},
		Fields: []Field{{Name: "rows", At: Pos{Line: 5, Column: 3}, Path: "map.rows", Each: Expr{Text: "record.items", At: Pos{Line: 6, Column: 11}, Path: "map.rows.each"}, Fields: []Field{
			{Name: "modified", At: Pos{Line: 8, Column: 7}, Path: "map.rows.map.modified", Value: Expr{Text: "record.modified", At: Pos{Line: 8, Column: 17}, Path: "map.rows.map.modified"}}}}},
	}
	_, issues := Compile(spec, (&mysqlv1.PurchaseIn{}).ProtoReflect().Descriptor())
	var got []string
	for _, i := range issues {
		got = append(got, fmt.Sprintf("%d:%d %s %s", i.Line, i.Column, i.Path, i.Msg))
	}
	want := []string{
		"2:8 where the result is int, not bool",
		`3:10 quality[0].rule else is "ignore"`,
		"3:10 quality[0].rule undeclared reference to 'nope'",
		"4:1 map required field io_id of PurchaseIn is not mapped",
		"5:3 map.rows.map required field id of PurchaseInRow is not mapped",
		"5:3 map.rows.map required field io_id of PurchaseInRow is not mapped",
		"5:3 map.rows.map required field status of PurchaseInRow is not mapped",
		"5:3 map.rows.map required field items_ioi_id of PurchaseInRow is not mapped",
		"5:3 map.rows.map required field items_qty of PurchaseInRow is not mapped",
		"8:17 map.rows.map.modified the expression is dyn, modified wants timestamp",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLocate(t *testing.T) {
	e := Expr{Text: "record.a +\n  nope(1)", At: Pos{Line: 7, Column: 3}, Locate: func(offset int) Pos { return Pos{Line: 100, Column: offset} }}
	_, issues := Compile(Spec{Fields: []Field{{Name: "text", Value: e}}}, everything(t))
	if len(issues) != 1 || issues[0].Pos != (Pos{Line: 100, Column: 13}) {
		t.Errorf("issues = %+v, want one at offset 13", issues)
	}
}
