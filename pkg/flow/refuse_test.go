package flow_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

// source is a source with further lines.
func source(more string) string {
	return "source: s\nconnection: c\nfeed: jushuitan.purchasein\nstart: 2025-01-01\n" + more
}

const target = "target: {kind: mysql, connection: b, message: m}\n"

// refused are documents with the faults that they have.
var refused = []struct {
	name, text string
	want       []string
}{
	{"unknown kind", "sorce: a\n", []string{`1:1: sorce: a document begins with its kind and name: did you mean source?`}},
	{"unknown field", "connection: a\nsystem: kis\nendpiont: sandbox\n", []string{
		`3:1: endpiont: unknown field "endpiont": did you mean endpoint?`, "1:1: endpoint: is missing"}},
	{"unknown field without a like", "connection: a\nsystem: kis\nendpoint: sandbox\nzzz: 1\n", []string{
		`4:1: zzz: unknown field "zzz": there are budget, connection, endpoint, settings, system, time_zone`}},
	{"unknown system", "connection: a\nsystem: jushuitn\nendpoint: sandbox\n", []string{`2:9: system: unknown system "jushuitn": did you mean jushuitan?`}},
	{"field twice", "connection: a\nsystem: kis\nendpoint: sandbox\nsystem: kis\n", []string{"4:1: system: is there twice, first on line 2"}},
	{"bad name", "connection: Main_1\nsystem: kis\nendpoint: sandbox\n", []string{`1:13: connection: name "Main_1" must begin with a lower case letter`}},
	{"number for text", "connection: a\nsystem: kis\nendpoint: 17\n", []string{"3:11: endpoint: must be text, is a number: put it in quotes"}},
	{"list for text", "connection: a\nsystem: [kis]\nendpoint: sandbox\n", []string{"2:9: system: must be text, is a list"}},
	{"no value", "connection: a\nsystem: kis\nendpoint:\n", []string{"3:1: endpoint: has no value"}},
	{"password in the endpoint", "connection: a\nsystem: mysql\nendpoint: mysql://root:hunter2@db:3306/bi\n", []string{"3:11: endpoint: holds credentials"}},
	{"database", "connection: a\nsystem: mysql\nendpoint: mysql://db:3306\n", []string{"3:11: endpoint: must be of the form mysql://host:port/database"}},
	{"port", "connection: a\nsystem: mysql\nendpoint: mysql://db/bi\n", []string{"3:11: endpoint: must name a port"}},
	{"scheme", "connection: a\nsystem: kis\nendpoint: ftp://x\n", []string{"3:11: endpoint: must be an http or https URL"}},
	{"no host", "connection: a\nsystem: kis\nendpoint: https:///x\n", []string{"3:11: endpoint: has no host"}},
	{"query", "connection: a\nsystem: kis\nendpoint: https://x/?token=1\n", []string{"3:11: endpoint: must not have a query"}},
	{"secret setting", "connection: a\nsystem: kis\nendpoint: sandbox\nsettings: {app_secret: hunter2}\n", []string{
		"4:24: settings.app_secret: secrets don't belong into documents: put it into the file <secrets dir>/<connection>/app_secret"}},
	{"setting no text", "connection: a\nsystem: kis\nendpoint: sandbox\nsettings: {x: 1}\n", []string{"4:15: settings.x: must be text, is a number"}},
	{"budget", "connection: a\nsystem: kis\nendpoint: sandbox\nbudget: {per_second: -1, per_minute: many}\n", []string{
		"4:22: budget.per_second: must be a whole number from 0 to 100000", "4:38: budget.per_minute: must be a whole number, is text"}},
	{"zone", "connection: a\nsystem: kis\nendpoint: sandbox\ntime_zone: Asia/Beijing\n", []string{`4:12: time_zone: unknown time zone "Asia/Beijing"`}},
	{"no schedule", source(""), []string{"1:1: every: is missing"}},
	{"two schedules", source("every: 5m\ncron: 0 0 * * * *\n"), []string{"6:7: cron: every and cron exclude one another"}},
	{"zone without cron", source("every: 5m\nzone: UTC\n"), []string{"6:7: zone: zone belongs to cron"}},
	{"every without unit", source("every: 5\n"), []string{"5:8: every: needs a unit, such as 30s, 5m, 24h"}},
	{"every too small", source("every: 10ms\n"), []string{"5:8: every: must be at least 1s"}},
	{"every no duration", source("every: often\n"), []string{`5:8: every: "often" is no length of time`}},
	{"cron of five fields", source("cron: 0 * * * *\n"), []string{`5:7: cron: "0 * * * *" has 5 fields, not six`}},
	{"cron out of range", source("cron: 0 61 * * * *\n"), []string{`5:7: cron: "61" is no minute: from 0 to 59`}},
	{"cursor", source("every: 1s\ncursor: versions\n"), []string{`6:9: cursor: "versions" is neither window nor version: did you mean version?`}},
	{"start", "source: s\nconnection: c\nfeed: f\nevery: 1s\nstart: soon\n", []string{`5:8: start: "soon" is no time: write 2025-01-01T00:00:00+08:00`}},
	{"start missing", "source: s\nconnection: c\nfeed: f\nevery: 1s\n", []string{"1:1: start: is missing"}},
	{"page size", source("every: 1s\npage_size: 0\n"), []string{"6:12: page_size: must be a whole number from 1"}},
	{"recount", source("every: 1s\nrecount: nightly\n"), []string{`6:10: recount: "nightly" is no time of day: write one such as 03:30, or off`}},
	{"recount by version", source("cursor: version\nevery: 1s\nrecount: 03:30\n"), []string{"7:10: recount: is for sources that are read by windows of time"}},
	{"overlap", source("every: 1s\noverlap: -1s\n"), []string{"6:10: overlap: must be at least 0s"}},
	{"request is no mapping", source("every: 1s\nrequest: [a]\n"), []string{"6:10: request: must be a mapping (key: value), is a list"}},
	{"request with a hexadecimal number", source("every: 1s\nrequest: {a: 0x10}\n"), []string{"6:14: request.a: 0x10 is no decimal number"}},
	{"flow without map", "flow: f\nfrom: s\n" + target, []string{"1:1: map: is missing"}},
	{"target", "flow: f\nfrom: s\ntarget: {kind: mysql, mode: x}\nmap: {a: record.a}\n", []string{
		`3:23: target.mode: unknown field "mode"`, "3:9: target.connection: is missing", "3:9: target.message: is missing"}},
	{"fate", "flow: f\nfrom: s\nquality:\n  - {rule: true, else: dad}\n" + target + "map: {a: record.a}\n", []string{
		`4:24: quality[0].else: "dad" is no fate of a record: did you mean dead?`}},
	{"rule without else", "flow: f\nfrom: s\nquality:\n  - rule: true\n" + target + "map: {a: record.a}\n", []string{"4:5: quality[0].else: is missing"}},
	{"quality no list", "flow: f\nfrom: s\nquality: {rule: x}\n" + target + "map: {a: record.a}\n", []string{"3:10: quality: must be a list of rules, is a mapping"}},
	{"field without expression", "flow: f\nfrom: s\n" + target + "map:\n  a:\n  b: \"\"\n", []string{"5:3: map.a: has no expression", "6:6: map.b: expression is empty"}},
	{"list for an expression", "flow: f\nfrom: s\n" + target + "map:\n  a: [1]\n", []string{"5:6: map.a: must be an expression, is a list"}},
	{"field with neither", "flow: f\nfrom: s\n" + target + "map:\n  a: {each: record.x}\n", []string{"5:3: map.a: needs map (for messages) or value (for scalars)"}},
	{"field with both", "flow: f\nfrom: s\n" + target + "map:\n  a: {each: record.x, value: item, map: {b: item}}\n", []string{"5:30: map.a.value: map and value exclude one another"}},
	{"value without each", "flow: f\nfrom: s\n" + target + "map:\n  a: {value: record.x}\n", []string{"5:3: map.a: value needs each"}},
	{"anchor", "connection: &a x\nsystem: kis\nendpoint: sandbox\n", []string{"1:13: connection: must be text, is an anchor or alias"}},
	{"alias", "connection: a\nsystem: kis\nendpoint: sandbox\nsettings: &s {x: \"1\"}\n", []string{"4:11: settings: must be a mapping (key: value), is an anchor or alias"}},
	{"merge", "connection: a\nsystem: kis\nendpoint: sandbox\nsettings:\n  <<: {x: \"1\"}\n", []string{"5:3: settings: key must be text, is an anchor or alias"}},
	{"tag", "connection: !!str a\nsystem: kis\nendpoint: sandbox\n", []string{"1:13: connection: must be text, is a tag"}},
	{"no mapping", "- a\n", []string{"1:1: must be a mapping (key: value), is a list"}},
	{"scalar", "hello\n", []string{"1:1: must be a mapping (key: value), is text"}},
	{"syntax in the second document", "connection: a\nsystem: kis\nendpoint: sandbox\n---\nsource: [a\n", []string{"5:9: YAML: sequence end token ']' not found"}},
	{"choice without quotes", "flow: f\nmap:\n  a: record.a ? 1 : 2\n", []string{`3:6: YAML: mapping value is not allowed in this context: an expression with ": " in it must stand in quotes`}},
	{"unfinished text", "source: \"a\n", []string{"1:9: YAML: could not find end character of double-quoted text"}},
	{"two of a name", "connection: a\nsystem: kis\nendpoint: sandbox\n---\n\nconnection: a\nsystem: kis\nendpoint: sandbox\n", []string{
		`6:1: connection: there is a connection "a" already in this file`}},
	{"faults of two documents", "connection: a\nsystem: kis\n---\nsource: s\nx: 1\n", []string{
		"1:1: endpoint: is missing", `5:1: x: unknown field "x"`, "4:1: connection: is missing", "4:1: feed: is missing", "4:1: start: is missing", "4:1: every: is missing"}},
	{"directive", "%YAML 1.2\n---\nconnection: a\nsystem: kis\nendpoint: sandbox\n", []string{"1:1: "}},
	{"not UTF-8", "connection: \xff\n", []string{"1:1: is not UTF-8"}},
	{"too large", strings.Repeat("# x\n", 300_000), []string{"1:1: is larger than 1048576 bytes"}},
	{"too deep", "a: " + strings.Repeat("[", 9_000), []string{"1:1: line is longer than 8192 bytes"}},
	{"too many keys", strings.Repeat(strings.Repeat("a: b\n", 4_000)+"---\n", 20), []string{"30008:1: has more than 30000 keys, items and brackets: apply it in parts"}},
	{"too many brackets", strings.Repeat("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 400), []string{"167:1: document has more than 5000 keys, items and brackets"}},
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range refused {
		_, err := flow.Parse("t.yaml", []byte(tt.text))
		compare(t, tt.name, faults(t, err), tt.want)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the secret", tt.name)
		}
	}
}

// compare wants each fault to begin as told, in that order.
func compare(t *testing.T, name string, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && strings.HasPrefix(got[i], "t.yaml:"+want[i])
	}
	if !ok {
		t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckRefuses(t *testing.T) {
	head := "source: s\nconnection: jst-main\n"
	tail := "every: 5m\nstart: 2025-01-01\n"
	flowOf := func(target, where, fields string) string {
		return "flow: f\nfrom: jst-purchasein\ntarget: {" + target + "}\nwhere: " + where + "\nmap:\n" + fields
	}
	const target = "kind: mysql, connection: bi-main, message: erpstream.mysql.v1.PurchaseIn"
	const good = "  io_id: record.io_id\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown feed", head + "feed: jushuitan.purchasinn\n" + tail, []string{`3:7: feed: unknown feed "jushuitan.purchasinn": did you mean jushuitan.purchasein?`}},
		{"unknown connection", "source: s\nconnection: jst-mian\nfeed: jushuitan.purchasein\n" + tail, []string{`2:13: connection: unknown connection "jst-mian": did you mean jst-main?`}},
		{"wrong system", "source: s\nconnection: bi-main\nfeed: jushuitan.purchasein\n" + tail, []string{"3:7: feed: feed jushuitan.purchasein is one of jushuitan, and connection bi-main leads to mysql"}},
		{"limits", head + "feed: jushuitan.purchasein\n" + tail + "slice: 168h\npage_size: 51\n", []string{
			"6:8: slice: 168h0m0s is wider than 167h59m0s", "7:12: page_size: 51 is more than 50"}},
		{"slice in the overlap", head + "feed: jushuitan.purchasein\n" + tail + "slice: 5m\n", []string{"6:8: slice: a slice of 5m0s is not wider than the overlap of 10m0s"}},
		{"poller's parameter", head + "feed: jushuitan.purchasein\n" + tail + "request: {page_index: 1}\n", []string{"6:23: request.page_index: is set by the poller"}},
		{"by version what can't be", head + "feed: jushuitan.sku\ncursor: version\nevery: 5m\n", []string{"4:9: cursor: feed jushuitan.sku can't be read by row version"}},
		{"by version with a start", head + "feed: jushuitan.purchasein\ncursor: version\n" + tail, []string{"6:8: start: reading by row version begins with all that there is"}},
		{"by version with parameters", head + "feed: jushuitan.purchasein\ncursor: version\nevery: 5m\nrequest: {statuss: [Confirmed], date_type: 0}\n", []string{
			"6:44: request.date_type: can't go along with start_ts, the row version", "6:20: request.statuss: can't go along with start_ts, the row version"}},
		{"by version", head + "feed: jushuitan.purchasein\ncursor: version\nevery: 5m\noverlap: 20m\n", nil},
		{"the row version itself", head + "feed: jushuitan.purchasein\n" + tail + "request: {start_ts: 1}\n", []string{"6:21: request.start_ts: is set by the poller"}},
		{"snapshot", head + "feed: jushuitan.shops\nevery: 5m\nrequest: {nicks: [a]}\n", nil},
		{"snapshot with a start", head + "feed: jushuitan.shops\n" + tail, nil},
		{"snapshot by version, with a window", head + "feed: jushuitan.shops\n" + tail + "cursor: version\nslice: 1h\noverlap: 1m\n", []string{
			"6:9: cursor: feed jushuitan.shops is read whole each time: take cursor away", "7:8: slice: feed", "8:10: overlap: feed"}},
		{"unknown source", strings.Replace(flowOf(target, "true", good), "jst-purchasein", "jst-purchase", 1), []string{`2:7: from: unknown source "jst-purchase": did you mean jst-purchasein?`}},
		{"target", flowOf("kind: kis, connection: bi-mian, message: erpstream.mysql.v1.PurchaseIn", "true", good), []string{
			`3:33: target.connection: unknown connection "bi-mian": did you mean bi-main?`, "3:51: target.message: erpstream.mysql.v1.PurchaseIn is no message of kis: those are in package erpstream.kis.v1"}},
		{"kind", flowOf("kind: kingdee, connection: bi-main, message: erpstream.mysql.v1.PurchaseOut", "true", good), []string{
			"3:16: target.kind: is kingdee, and connection bi-main leads to mysql", `3:55: target.message: unknown message "erpstream.mysql.v1.PurchaseOut": did you mean erpstream.mysql.v1.PurchaseIn?`}},
		{"where", flowOf(target, `record.status != nope("x")`, good), []string{"4:25: where: undeclared reference to 'nope'"}},
		{"where in quotes", flowOf(target, `'record.a == ''x'' && nope(1)'`, good), []string{"4:30: where: undeclared reference to 'nope'"}},
		{"where in double quotes", flowOf(target, `"record.a == \"x\u0041\" && nope(1)"`, good), []string{"4:36: where: undeclared reference to 'nope'"}},
		{"after 采购", flowOf(target, `record.a == "采购" && nope(1)`, good), []string{"4:28: where: undeclared reference to 'nope'"}},
		{"in a block", flowOf(target, "|\n  record.a ==\n    nope(1)", good), []string{"6:5: where: undeclared reference to 'nope'"}},
		{"in a folded block", flowOf(target, ">\n  record.a +\n  nope(1)", good), []string{"5:3: where: undeclared reference to 'nope'"}},
		{"over two lines", flowOf(target, "record.a +\n  nope(1)", good), []string{"4:8: where: undeclared reference to 'nope'"}},
		{"fields", flowOf(target, "true", "  rows:\n    each: record.items\n    map:\n      id: item.id\n      modified: record.modified\n      statu: record.status\n"), []string{
			"5:1: map: required field io_id of PurchaseIn is not mapped",
			"6:3: map.rows.map: required field io_id of PurchaseInRow is not mapped",
			"6:3: map.rows.map: required field status of PurchaseInRow is not mapped",
			"6:3: map.rows.map: required field items_ioi_id of PurchaseInRow is not mapped",
			"6:3: map.rows.map: required field items_qty of PurchaseInRow is not mapped",
			"10:17: map.rows.map.modified: the expression is dyn, modified wants timestamp: use datetime(…)",
			`11:7: map.rows.map.statu: PurchaseInRow has no field "statu": did you mean status?`,
		}},
	}
	base := flow.Set{}.With(parse(t, connections)...)
	for _, tt := range tests {
		compare(t, tt.name, faults(t, check.Set(base.With(parse(t, tt.text)...))), tt.want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{connections, "flow: f\nfrom: s\nmap:\n  a: {each: record.x, map: {b: 'x''y'}}\nquality:\n  - {rule: \"a\\n\", else: dead}\n",
		"a: &x [*x]\n", "where: |\n  a\n\n", "flow: >+\n", "? a\n", "--- {a: 1}\n", "a:\n\t- b", "a: !!binary x\n<<: *y", "\"\\", "-\n-\n  -"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := flow.Parse("t.yaml", data)
		faults(t, err)
		if err == nil {
			_ = check.Set(flow.Set{}.With(documents...))
		}
	})
}
