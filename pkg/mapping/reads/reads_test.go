package reads_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/mapping/reads"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

func TestOf(t *testing.T) {
	lines := reads.Record().Within("items", true)
	tests := []struct {
		text string
		in   reads.Scope
		want string
	}{
		{"record.io_id", reads.Record(), "io_id"},
		{`record["shop name"].x`, reads.Record(), "shop name.x"},
		{`string(record.io_id) + "-" + string(item.ioi_id)`, lines, "io_id items[].ioi_id"},
		{"record.items[0].qty", reads.Record(), "items[].qty"},
		{"record.?a.?b", reads.Record(), "a.b"},
		{"record.items[record.n].qty > 0", reads.Record(), "items n"},
		{"has(record.remark) ? record.remark : null", reads.Record(), "remark remark"},
		{"record.items.exists(i, i.qty > record.least)", reads.Record(), "items items[].qty least"},
		{"record.items.filter(i, i.qty > 0).map(i, i.price)", reads.Record(), "items items[].qty items[].price"},
		{"record.orders.map(o, o.lines.map(l, l.qty))", reads.Record(), "orders orders[].lines orders[].lines[].qty"},
		{"cel.bind(x, record.head, x.no + x.no)", reads.Record(), "head head.no head.no"},
		{`lookup("kingdee.material", "number", item.goods_no).id`, lines, "items[].goods_no?"},
		{"sum(record.items, item.qty * decimal(item.price))", lines, "items items[].qty items[].price"},
		{"sum(record.items, x, x.qty)", reads.Record(), "items items[].qty"},
		{"count(record.a.map(x, x.y), item.z)", lines, "a a[].y"},
		{"record.items.sortBy(item.qty).map(i, i.sku)", reads.Record(), "items items[].qty items[].sku"},
		{"first(record.items).sku", reads.Record(), "items[].sku"},
		{"group(record.items, item.sku).map(g, g.key + string(sum(g.items, item.qty)))", reads.Record(), "items items[].sku items items[].qty"},
		{"item.x", reads.Record(), ""},
		{"parent.no + item.no", lines.Within("items[].parts", true), "items[].no items[].parts[].no"},
		{"item.no", lines.Within("", false), ""},
		{`[record.a, {"k": record.b}]`, reads.Record(), "a b"},
		{"meta.key + record.a", reads.Record(), "a"},
		{"record.a +", reads.Record(), ""},
	}
	for _, tt := range tests {
		var got []string
		for _, r := range reads.Of(spec.Expr{Text: tt.text}, tt.in) {
			got = append(got, r.Path+map[bool]string{true: "?"}[r.Search])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s reads %q, want %q", tt.text, strings.Join(got, " "), tt.want)
		}
	}
}

// The elements of each: group(…) have key and items.
func TestGroupInEach(t *testing.T) {
	in := reads.Record().Within(reads.List(spec.Expr{Text: "group(record.items, item.sku)"}, reads.Record()))
	for text, want := range map[string]string{"item.key": "", "sum(item.items, item.qty)": "items items[].qty", "item.items[0].name": "items[].name"} {
		var got []string
		for _, r := range reads.Of(spec.Expr{Text: text}, in) {
			got = append(got, r.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s reads %q, want %q", text, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	e := spec.Expr{Text: `"中文" + record.a + record.b`, At: spec.Pos{Line: 3, Column: 10}}
	var columns []int
	for _, r := range reads.Of(e, reads.Record()) {
		columns = append(columns, r.At.Column)
	}
	if !slices.Equal(columns, []int{17, 28}) {
		t.Errorf("columns are %v", columns)
	}
}

func TestList(t *testing.T) {
	for text, want := range map[string]string{
		"record.items": "items", "group(record.items, item.sku)": "@items", "record.items.filter(i, i.qty > 0)": "items", "coalesce(record.items, [])": "items",
		"size(record.items) > 0 ? record.items : []": "items", `record.a["b"]`: "a.b", "record.items.map(i, i.x)": "-", "[1, 2]": "-", "(": "-",
	} {
		path, ok := reads.List(spec.Expr{Text: text}, reads.Record())
		if !ok {
			path = "-"
		}
		if path != want {
			t.Errorf("list of %s is %q, want %q", text, path, want)
		}
	}
}

// Whatever an expression is, its reads have a path, and a place where the document has one.
func FuzzOf(f *testing.F) {
	for _, seed := range []string{"record.a[0].b", "record.items.exists(i, i.qty > 0)", "cel.bind(x, record, x.y)", "a.b(c", `record["x"]`, "record[?0]", "cel.bind()", "lookup()", "[].map(x)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := reads.Record().Within("items", true)
		for _, r := range reads.Of(spec.Expr{Text: text, At: spec.Pos{Line: 1, Column: 1}}, in) {
			if r.Path == "" || r.At.Line < 1 || r.At.Column < 1 {
				t.Errorf("%q reads %+v", text, r)
			}
		}
		reads.List(spec.Expr{Text: text}, in)
	})
}
