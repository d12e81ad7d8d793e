package mapping

import (
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
)

const sample = `{"qty":3,"price":"1.50","rate":0.10,"big":9007199254740993,"status":80,"whole":2.0,
	"name":" Ab ","none":null,"empty":"","at":"2025-01-01 11:05:00","day":"2025-01-01","zero":"0000-00-00 00:00:00",
	"items":[{"n":1},{"n":2.5}],"tags":["a","b"],"o":{"k":1},"yes":true}`

// expressions are computed over sample and give a text.
var expressions = []struct{ text, want, err string }{
	// Numbers keep their digits.
	{`string(record.big)`, "9007199254740993", ""},
	{`string(record.rate)`, "0.10", ""},
	{`string(decimal("12345678901234567890.123"))`, "12345678901234567890.123", ""},
	{`record.big + 1`, "9007199254740994", ""},
	{`record.rate + record.rate`, "0.20", ""},
	{`record.qty * decimal(record.price)`, "4.50", ""},
	{`record.qty - 5`, "-2", ""},
	{`1 - record.rate`, "0.90", ""},
	{`decimal("1") / 3`, "0.3333333333333333", ""},
	{`decimal("1") / 4`, "0.25", ""},
	{`record.qty / 2`, "1.5", ""},
	{`7 % record.qty`, "1", ""},
	{`-record.rate`, "-0.10", ""},
	{`-decimal(record.price)`, "-1.50", ""},
	{`abs(decimal("-2.5"))`, "2.5", ""},
	{`round(decimal("2.345"), 2)`, "2.35", ""},
	{`round(decimal("-2.345"), 2)`, "-2.35", ""},
	{`round(decimal("2.5"), 0)`, "3", ""},
	{`round(record.rate, 4)`, "0.1000", ""},
	{`round(decimal("1250"), -2)`, "1300", ""},
	{`string(int(record.whole))`, "2", ""},
	{`string(int(record.qty) + 1)`, "4", ""},
	{`string(decimal(3u))`, "3", ""},
	{`record.qty / 0`, "", "division by zero"},
	{`string(int(record.rate))`, "", "has a fraction"},
	{`string(int(record.big * 1025))`, "", "out of range"},
	{`decimal(record.name)`, "", `decimal: " Ab ": not a number`},
	{`record.qty * decimal("1e150") * decimal("1e150")`, "", "more than 200 digits"},
	// Whole numbers and decimals are one kind of number on either side.
	{`string(record.status == 80)`, "true", ""},
	{`string(80 == record.status)`, "true", ""},
	{`string(81 != record.status)`, "true", ""},
	{`string(0 < record.qty && record.qty < 4 && 3 >= record.qty)`, "true", ""},
	{`string(record.status in [80, 90])`, "true", ""},
	{`string(80 in [record.status])`, "true", ""},
	{`string(record.whole == 2)`, "true", ""},
	{`string(2 == record.whole)`, "true", ""},
	{`string([80] == [record.status])`, "true", ""},
	{`string(sets.contains([80, 90], [record.status]))`, "true", ""},
	{`string(sets.intersects([80], [record.status]))`, "true", ""},
	{`string(sets.equivalent([80], [record.status, record.status]))`, "true", ""},
	{`string(record.status == "80")`, "false", ""},
	{`string(record.price > 1)`, "", "can't compare text with a number"},
	// Null and missing.
	{`string(record.gone == null && null == record.none && record.none == record.gone)`, "true", ""},
	{`string(record.qty != null)`, "true", ""},
	{`string(has(record.gone) || has(record.gone.deep))`, "false", ""},
	{`string(has(record.none))`, "true", ""},
	{`string(record.gone.deep[0].x == null)`, "true", ""},
	{`record.?gone.orValue("x")`, "x", ""},
	{`string(size(record.none) + size(record.gone) + size(record.items))`, "2", ""},
	{`string(record.gone.exists(i, i.n > 1) || record.items.exists(i, 2 < i.n))`, "true", ""},
	{`record.o.map(k, k).join()`, "k", ""},
	{`record.o.all(k, record.o[k] == 1) ? "y" : "n"`, "y", ""},
	{`record.name.x`, "", "record.name is text"},
	{`record.items[-1].n`, "", "can't be negative"},
	{`string("a" in record.gone)`, "false", ""},
	{`string("k" in record.o)`, "true", ""},
	{`coalesce(record.gone, record.empty, record.name)`, " Ab ", ""},
	{`coalesce(record.gone, record.none, "", "z")`, "z", ""},
	{`record.gone + 1`, "", "record.gone is null"},
	{`record.qty * record.none`, "", "record.none is null"},
	{`string(record.none)`, "", "record.none is null"},
	{`record.none.trim()`, "", "record.none is null"},
	{`"n" + record.qty`, "", "text + a number can't be computed: write string(…)"},
	// Text.
	{`record.name.trim().upper() + record.name.trim().lower()`, "ABab", ""},
	{`record.name.trim().lowerAscii().replace("b", "c")`, "ac", ""},
	{`"a,b".split(",")[1] + "abc".substring(1, 2)`, "bb", ""},
	{`string(record.qty).pad_start(5, "0")`, "00003", ""},
	{`record.tags.join("-")`, "a-b", ""},
	{`"重" + record.name.trim()`, "重Ab", ""},
	{`record.name.matches("A[a-z]") ? "y" : "n"`, "y", ""},
	{`cel.bind(x, record.qty + 1, x * x)`, "16", ""},
	{`record.items.map(i, string(i.n)).join(";")`, "1;2.5", ""},
	// Lines.
	{`string(sum(record.items, item.n))`, "3.5", ""},
	{`string(sum(record.gone, item.n) + size(group(record.none, item.n)))`, "0", ""},
	{`string(sum(record.items, item.gone))`, "", "sum: element 1 is null, not a number: write coalesce(…, 0) where that means none"},
	{`string(sum(record.tags))`, "", "sum: element 1 is text, not a number: write decimal(…)"},
	{`avg(record.gone, item.n) == null && min(record.gone) == null ? "none" : "some"`, "none", ""},
	{`string(max(record.items, item.n)) + string(min(record.items, x, x.n))`, "2.51", ""},
	{`string(max(record.items))`, "", "max: can't compare an object with an object"},
	{`string(count(record.items, item.n > 1)) + string(count(record.items))`, "12", ""},
	{`group(record.tags + record.tags, item).map(g, g.key + string(size(g.items))).join()`, "a2b2", ""},
	{`string(group([record.whole, 2, decimal("2.00"), "2"], item).size())`, "2", ""},
	{`[record.whole, 2, 3].distinct().map(n, string(n)).join("/")`, "2.0/3", ""},
	{`record.items.sortBy(-item.n).map(i, string(i.n)).join("/")`, "2.5/1", ""},
	{`[record.none].sort().size() == 1 ? "y" : "n"`, "", "sort: element 1 is null"},
	{`[record.tags, record.none, ["c"]].flatten().join()`, "abc", ""},
	{`record.tags.slice(1, 9).join() + string(first(record.gone) == null) + last(record.tags)`, "btrueb", ""},
	// Choices.
	{`coalesce(record.name, lookup("a.b", "c", record.gone).id)`, " Ab ", ""},
	{`default(record.empty, "x") + default(record.none, "y")`, "y", ""},
	{`coalesce(null_if(record.status, 80), "none")`, "none", ""},
	{`choose(record.qty > 5, "a", record.qty > 2, "b", record.gone + 1 > 0, "c", "d")`, "b", ""},
	{`string(is_empty(record.none) && is_empty("  ") && is_empty(record.gone.x) && !is_empty(record.o))`, "true", ""},
	// Rounding is done once, each way.
	{`[round(decimal("2.5"), 0, "half_even"), round(decimal("3.5"), 0, "half_even"), round(decimal("-2.5"), 0, "half_even")].map(n, string(n)).join("/")`, "2/4/-2", ""},
	{`[round(decimal("2.5"), 0, "half_down"), round(decimal("2.51"), 0, "half_down"), round(decimal("-2.51"), 0, "half_down")].map(n, string(n)).join("/")`, "2/3/-3", ""},
	{`[round(decimal("-2.1"), 0, "up"), round(decimal("-2.9"), 0, "down"), round(decimal("-2.1"), 0, "ceil"), round(decimal("-2.1"), 0, "floor")].map(n, string(n)).join("/")`, "-3/-2/-2/-3", ""},
	{`string(divide(decimal("1.0049999999999999999999"), 2, 2)) + "/" + string(divide(1, 8, 2, "half_even")) + "/" + string(divide(-1, 8, 2))`, "0.50/0.12/-0.13", ""},
	{`string(divide(1, 3, 2, "up")) + string(divide(-1, 3, 2, "ceil")) + string(divide(6, 3, 2, "up"))`, "0.34-0.332.00", ""},
	{`string(divide(1, record.gone, 2))`, "", "record.gone is null"},
	{`string(mod(-7, 3)) + string(mod(7, -3)) + string(mod(6, 3))`, "2-20", ""},
	// Times.
	{`date(add_months("2024-01-31", 1)) + date(add_months("2024-03-31", -1)) + date(add_months("2024-12-31", 2))`, "2024-02-292024-02-292025-02-28", ""},
	{`string(days_between("2024-12-31 23:59:59", "2025-01-01")) + string(days_between("2025-03-01", "2025-02-01"))`, "1-28", ""},
	{`string(year(datetime("2024-12-31T16:30:00Z"))) + string(weekday("2025-01-05"))`, "20257", ""},
	{`add_days(record.zero, 1) == null && coalesce(month(record.gone), 5) == 5 && from_unix("") == null ? "none" : "some"`, "none", ""},
	{`date(add_days(record.at, 360000))`, "3010-08-26", ""},
	{`date(add_months(record.at, 12000))`, "3025-01-01", ""},
	{`date(add_days(add_days(add_days(add_days(add_days(add_days(add_days(add_days(add_days(record.at, 366000), 366000), 366000), 366000), 366000), 366000), 366000), 366000), 366000))`, "", "the year would be 10041"},
	{`date(from_unix(record.name))`, "", "from_unix: text is no number of seconds"},
	{`date(record.at)`, "2025-01-01", ""},
	{`date(datetime("2024-12-31T16:30:00Z"))`, "2025-01-01", ""},
	{`format_time(record.at, "yyyy/MM/dd HH:mm:ss")`, "2025/01/01 11:05:00", ""},
	{`format_time(datetime(record.day), "yyyyMMdd")`, "20250101", ""},
	{`datetime(record.gone) == null ? "none" : "some"`, "none", ""},
	{`datetime(record.qty) == null ? "none" : "some"`, "", "datetime: a number is no time"},
	{`date(record.name)`, "", `datetime: "Ab" is no time`},
	// What is known of the record.
	{`meta.key + meta.source + string(meta.version)`, "ks7", ""},
}

func TestExpressions(t *testing.T) {
	for _, tt := range expressions {
		spec := one("text", tt.text)
		got := apply(t, spec, sample, false)
		want := ""
		if tt.err == "" {
			want = `{"text":"` + strings.ReplaceAll(tt.want, " ", "") + `"}`
		}
		check(t, tt.text, got, want, tt.err)
	}
}

func TestTimes(t *testing.T) {
	tests := []struct{ text, want, err string }{
		{`"2025-01-01 00:00:00"`, `{"at":"2024-12-31T16:00:00Z"}`, ""},
		{`"2025-01-01 00:00:00.123"`, `{"at":"2024-12-31T16:00:00.123Z"}`, ""},
		{`"2025-01-01"`, `{"at":"2024-12-31T16:00:00Z"}`, ""},
		{`"2025-01-01T00:00:00+01:00"`, `{"at":"2024-12-31T23:00:00Z"}`, ""},
		{`"2025/01/01 00:00:00"`, `{"at":"2024-12-31T16:00:00Z"}`, ""},
		{`""`, `{}`, ""},
		{`null`, `{}`, ""},
		{`"0000-00-00 00:00:00"`, `{}`, ""},
		{`"0001-01-01 00:00:00"`, `{}`, ""},
		{`"9999-12-01 00:00:00"`, `{}`, ""},
		{`"2025-02-30 00:00:00"`, "", "at: datetime(record.x): datetime:"},
		{`"gestern"`, "", "is no time in a known form"},
		{`17`, "", "a number is no time"},
	}
	for _, tt := range tests {
		got := apply(t, one("at", "datetime(record.x)"), `{"x":`+tt.text+`}`, false)
		check(t, tt.text, got, tt.want, tt.err)
	}
	spec := one("at", `datetime(record.x)`)
	spec.Zone, spec.Layouts = time.UTC, []string{"02.01.2006 15:04"}
	got := apply(t, spec, `{"x":"31.12.2024 16:00"}`, false)
	check(t, "own layout and zone", got, `{"at":"2024-12-31T16:00:00Z"}`, "")
	spec.Layouts = []string{EpochMS, time.DateTime}
	for _, text := range []string{`1717396260123`, `"1717396260123"`, `"2024-06-03 06:31:00.123"`} {
		got := apply(t, spec, `{"x":`+text+`}`, false)
		check(t, "milliseconds "+text, got, `{"at":"2024-06-03T06:31:00.123Z"}`, "")
	}
}

func TestListsAndNesting(t *testing.T) {
	at := Pos{Line: 1, Column: 1}
	texts := func(each, value string) Spec {
		return Spec{Fields: []Field{{Name: "texts", Each: Expr{Text: each, At: at}, Value: Expr{Text: value, At: at}}}}
	}
	list := func(each string, fields ...Field) Field {
		return Field{Name: "list", Each: Expr{Text: each, At: at}, Fields: fields}
	}
	leaf := func(name, text string) Field { return Field{Name: name, Value: Expr{Text: text, At: at}} }
	const body = `{"id":1,"tags":["a",null,2],"items":[{"n":1,"subs":[{"s":"x"},{"s":"y"}]},{"n":2}],"none":null,"text":"t"}`
	tests := []struct {
		name string
		spec Spec
		want string
		err  string
	}{
		{"scalars", texts("record.tags", "item"), `{"texts":["a","2"]}`, ""},
		{"computed scalars", texts("record.items.filter(i, i.n > 1)", "string(item.n)"), `{"texts":["2"]}`, ""},
		{"computed list of scalars", texts(`["x", "y"]`, "item + string(record.id)"), `{"texts":["x1","y1"]}`, ""},
		{"null list", texts("record.none", "item"), `{}`, ""},
		{"missing list", texts("record.gone.deep", "item"), `{}`, ""},
		{"no list", texts("record.text", "item"), "", "texts: record.text is text, not a list"},
		{"object for a list", texts("record.items[0]", "item"), "", "is an object, not a list"},
		{"element", texts("record.items", "item"), "", "texts[0]: item: an object is not text"},
		{"nested each", Spec{Fields: []Field{list("record.items", leaf("i64", "item.n"),
			list("item.subs", leaf("text", "item.s + string(parent.n) + string(record.id)"), leaf("i64", "parent.n")))}},
			`{"list":[{"i64":"1","list":[{"i64":"1","text":"x11"},{"i64":"1","text":"y11"}]},{"i64":"2"}]}`, ""},
		{"error in an element", Spec{Fields: []Field{list("record.items", leaf("text", "item.subs[0].s + 1"))}}, "", "list[0].text: item.subs[0].s + 1: text + a number"},
		{"nested message", Spec{Fields: []Field{{Name: "nested", Fields: []Field{leaf("i64", "record.id")}}}}, `{"nested":{"i64":"1"}}`, ""},
		{"empty nested message", Spec{Fields: []Field{{Name: "nested", Fields: []Field{leaf("i64", "record.gone")}}}}, `{}`, ""},
		{"items that an expression made", Spec{Fields: []Field{list(`record.items.map(i, {"m": i.n})`, leaf("i64", "item.m"))}}, `{"list":[{"i64":"1"},{"i64":"2"}]}`, ""},
	}
	for _, tt := range tests {
		for _, forceCEL := range []bool{false, true} {
			got := apply(t, tt.spec, body, forceCEL)
			check(t, tt.name, got, tt.want, tt.err)
		}
	}
}

func TestWhereAndQuality(t *testing.T) {
	rule := func(text string, otherwise Else) Rule { return Rule{Rule: Expr{Text: text}, Else: otherwise} }
	tests := []struct {
		name    string
		where   string
		quality []Rule
		want    Result
		class   string
		err     string
	}{
		{"passes", `record.status == 80`, []Rule{rule("size(record.items) > 0", Dead)}, Result{}, "", ""},
		{"filtered", `record.status != 80`, []Rule{rule("false", Dead)}, Result{Filtered: true}, "", ""},
		{"where fails", `record.gone > 1`, nil, Result{}, "mapping", "where: record.gone > 1: can't compare null with a number"},
		{"where is no bool", `record.status`, nil, Result{}, "mapping", "the result is a number, not true or false"},
		{"dead", ``, []Rule{rule("record.qty > 5", Dead), rule("size(record.gone) > 0", Dead)}, Result{}, "quality", "record.qty > 5: not so; size(record.gone) > 0: not so"},
		{"dead goes before drop", ``, []Rule{rule("false", Drop), rule("false", Dead)}, Result{}, "quality", "false: not so"},
		{"dropped", ``, []Rule{rule("record.qty > 5", Drop), rule("false", Drop)}, Result{Dropped: "record.qty > 5"}, "", ""},
		{"warned", ``, []Rule{rule("record.qty > 5", Warn), rule("true", Warn)}, Result{Warnings: []string{"record.qty > 5"}}, "", ""},
		{"rule fails", ``, []Rule{rule("record.gone > 5", Warn)}, Result{}, "quality", "record.gone is null"},
	}
	for _, tt := range tests {
		spec := one("i64", "record.big")
		spec.Where, spec.Quality = Expr{Text: tt.where}, tt.quality
		m, issues := Compile(spec, everything(t))
		if issues != nil {
			t.Fatalf("%s: %v", tt.name, issues)
		}
		got, err := m.Apply(record.Envelope{}, []byte(sample), nil)
		if tt.class != "" {
			if err == nil || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v (%s), want %s: %s", tt.name, err, fault.ClassOf(err), tt.class, tt.err)
			}
			continue
		}
		if err != nil || got.Filtered != tt.want.Filtered || got.Dropped != tt.want.Dropped || strings.Join(got.Warnings, "|") != strings.Join(tt.want.Warnings, "|") {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if goes := !got.Filtered && got.Dropped == ""; goes != (len(got.Body) > 0) {
			t.Errorf("%s: body of %d bytes", tt.name, len(got.Body))
		}
	}
}

func TestRemovedIsATombstone(t *testing.T) {
	spec := one("i64", "record.big")
	spec.Where = Expr{Text: "record.big > 5"}
	m, _ := Compile(spec, everything(t))
	got, err := m.Apply(record.Envelope{Type: "a.b" + record.RemovedSuffix}, nil, nil)
	if err != nil || len(got.Body) != 0 || got.Filtered {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBrokenRecords(t *testing.T) {
	m, _ := Compile(one("i64", "record.x"), everything(t))
	tests := map[string]string{
		"":                                 "ends too early",
		`{"x":1`:                           "ends too early",
		`{"x":1}{"x":2}`:                   "followed by something else",
		`{"x":1} x`:                        "followed by something else",
		`[1]`:                              "is a list, not an object",
		`null`:                             "is null, not an object",
		`{"x":01}`:                         "broken at byte",
		"{\"x\":\"\xff\"}":                 "not UTF-8",
		strings.Repeat(`{"x":`, 100) + `1`: "nests deeper than 64",
	}
	for body, want := range tests {
		_, err := m.Apply(record.Envelope{}, []byte(body), nil)
		if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != "json" || !fault.IsPermanent(err) {
			t.Errorf("%.20q: %v, want %q of class json", body, err, want)
		}
	}
	got := apply(t, one("i64", "record.x"), `{"x":1,"y":"\"[[{{","x":2}`, false)
	check(t, "key twice", got, `{"i64":"2"}`, "")
}

func TestPersonalValuesStayOutOfErrors(t *testing.T) {
	for _, text := range []string{`datetime(record.buyer.phone)`, `datetime(record["buyer"]["phone"])`, `datetime(record.buyer.phone.trim())`} {
		spec := one("at", text)
		spec.Personal = []string{"buyer.phone"}
		got := apply(t, spec, `{"buyer":{"phone":"13800138000"}}`, false)
		if got.err == nil || strings.Contains(got.err.Error(), "138") || !strings.Contains(got.err.Error(), "is text") {
			t.Errorf("%s: %v", text, got.err)
		}
	}
}

func TestAllFaultsOfARecordAreNamed(t *testing.T) {
	spec := Spec{Fields: []Field{one("i64", "record.a").Fields[0], one("i32", "record.b").Fields[0]}}
	got := apply(t, spec, `{"a":"x","b":1.5}`, false)
	check(t, "two faults", got, "", "i64: record.a: text is not a number; i32: record.b: a number has a fraction: not a whole number")
}

func TestCostIsBounded(t *testing.T) {
	spec := one("text", `string(record.l.map(a, record.l.map(b, record.l.map(c, record.l.map(d, a)))).size())`)
	got := apply(t, spec, `{"l":[`+strings.Repeat("1,", 200)+`1]}`, false)
	check(t, "four loops", got, "", "cost limit exceeded")
}
