package mapping

func numberCatalog() []Function {
	return grouped("Numbers 数字",
		documented("decimal", "(x) → decimal", "makes a number of numeric text; its digits stay as they are", "转数字",
			`decimal(record.amount) + 1`, `1251.50`, `decimal(" 2.50 ")`, `2.50`),
		documented("int", "(x) → int", "makes a whole number; a fraction is an error", "取整数",
			`int(decimal("2.0"))`, `2`, `int("80")`, `80`),
		documented("round", "(x, digits[, mode]) → decimal", "rounds to so many digits after the point; the mode is half_up (the default), half_even, half_down, up, down, ceil or floor", "四舍五入",
			`round(record.freight, 2)`, `-2.35`, `round(decimal("2.345"), 2, "half_even")`, `2.34`, `round(1250, -2)`, `1300`,
			`round(decimal("2.349"), 2, "down")`, `2.34`, `round(decimal("2.341"), 2, "up")`, `2.35`, `round(decimal("-2.5"), 0, "half_down")`, `-2`),
		documented("fixed", "(x, digits[, mode]) → text", "rounds as round does and gives text with exactly so many digits", "固定小数位",
			`fixed(record.rate, 2)`, `"0.06"`, `fixed(3, 2)`, `"3.00"`),
		documented("divide", "(a, b, digits[, mode]) → decimal", "divides and rounds once; a / b has up to 16 digits", "除法",
			`divide(100, 3, 2)`, `33.33`, `divide(2, 3, 2, "down")`, `0.66`),
		documented("mod", "(a, b) → decimal", "gives the remainder with the sign of b; that of a % b is the sign of a", "取余",
			`mod(-7, 3)`, `2`, `-7 % 3`, `-1`),
		documented("abs", "(x) → decimal", "gives the number without its sign", "绝对值", `abs(record.freight)`, `2.345`),
		documented("ceil", "(x) → decimal", "gives the next whole number that is not less", "向上取整", `ceil(record.freight)`, `-2`),
		documented("floor", "(x) → decimal", "gives the next whole number that is not more", "向下取整", `floor(record.freight)`, `-3`),
		documented("least", "(a, b[, c, d]) → value", "gives the least of numbers, texts or times", "较小值", `least(record.status, 90)`, `80`),
		documented("greatest", "(a, b[, c, d]) → value", "gives the greatest of numbers, texts or times", "较大值",
			`greatest(0, record.freight)`, `0`, `greatest("2026-01-31", "2026-02-01")`, `"2026-02-01"`),
		documented("bool", "(text) → bool", "makes true or false of text", "转布尔", `bool("true")`, `true`),
	)
}

func nullCatalog() []Function {
	return grouped("Nothing, and choices 空值与条件",
		documented("coalesce", "(a, b, …) → value", "gives the first that is neither null nor \"\", else null; what stands behind it is not computed", "取首个非空",
			`coalesce(record.remark, record.memo, "none")`, `"none"`, `coalesce(record.memo, record.remark)`, `null`),
		documented("default", "(x, otherwise) → value", "gives x, and otherwise only when x is null: \"\" stays", "默认值",
			`default(record.remark, "none")`, `""`, `default(record.memo, "none")`, `"none"`),
		documented("null_if", "(x, none) → value", "gives null when x is the value that stands for none", "等于则空", `null_if(record.pay_type, "1")`, `null`),
		documented("is_empty", "(x) → bool", "tells whether x is null, blank text, or an empty list or object", "是否为空",
			`is_empty(record.remark)`, `true`, `is_empty(record.items)`, `false`),
		documented("has", "(record.a.b) → bool", "tells whether the key is there, be it null", "字段是否存在", `has(record.memo)`, `true`, `has(record.supplier.phone)`, `false`),
		documented("choose", "(condition, value, …, otherwise) → value", "gives the value behind the first condition that is true; a ? b : c is the short form", "条件选择",
			`choose(record.status >= 90, "closed", record.status >= 80, "audited", "open")`, `"audited"`, `record.status == 80 ? "audit" : "save"`, `"audit"`),
	)
}

func masterCatalog() []Function {
	return grouped("Master data, tables and constants 基础资料、对照表与常量",
		documented(lookupFunction, "(collection, field, value).name → text", "finds the one entry of master data whose field has the value, and reads a field of it; a record that finds none waits", "基础资料查找",
			`lookup("kingdee.material", "number", record.items[0].sku).id`, `"1001"`),
		documented(tableFunction, "(name, code[, otherwise]) → text", "gives the value of a code in a value table of the flow; a code that is missing is an error, or otherwise", "值对照表",
			`table("paytype", record.pay_type)`, `"JSFS01"`, `table("paytype", "9", "JSFS99")`, `"JSFS99"`),
		documented(settingFunction, "(name) → text", "gives a setting of the target connection; secrets are none", "连接参数", `setting("account_id")`, `"168"`),
	)
}

func optionalCatalog() []Function {
	return grouped("Optional values 可选值",
		documented("orValue", ".?name.orValue(otherwise) → value", "gives the value of a key, or otherwise when the key is not there", "", `record.?phone.orValue("none")`, `"none"`),
		documented("or", ".?a.or(.?b) → optional", "takes the second optional value when there is no first", "", `record.?phone.or(record.?shop).orValue("none")`, `"ＡＢＣ－１２３"`),
		documented("hasValue", ".?name.hasValue() → bool", "tells whether an optional value is there", "", `record.?phone.hasValue()`, `false`),
		documented("value", ".?name.value() → value", "gives an optional value; none is an error", "", `record.?status.value()`, `80`),
		documented("optMap", ".?name.optMap(x, expression) → optional", "computes with an optional value that is there", "", `record.?status.optMap(s, s + 1).orValue(0)`, `81`),
		documented("optFlatMap", ".?name.optFlatMap(x, .?name) → optional", "reads an optional value in another", "", `record.?supplier.optFlatMap(s, s.?name).orValue("none")`, `"Acme"`),
		documented("optional.of", "(x) → optional", "makes an optional value", "", `optional.of(1).hasValue()`, `true`),
		documented("optional.ofNonZeroValue", "(x) → optional", "makes an optional value, none of \"\" and 0", "", `optional.ofNonZeroValue(record.remark).orValue("none")`, `"none"`),
		documented("optional.none", "() → optional", "is an optional value that is not there: the field stays absent", "", `optional.none().orValue("none")`, `"none"`),
	)
}
