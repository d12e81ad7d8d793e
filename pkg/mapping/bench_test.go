package mapping_test

import (
	"fmt"
	"testing"

	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

// shelf answers all look-ups at once.
type shelf []reference.Entry

// Find implements mapping.Lookup.
func (s shelf) Find(_, _, _ string) []reference.Entry { return s }

var stocked mapping.Lookup = shelf(books{}.Find("", "", "A1"))

// BenchmarkFlows maps a record of a shipped flow in one pass and in general.
func BenchmarkFlows(b *testing.B) {
	for _, name := range []string{"jst-purchasein-to-mysql", "wdt-refund-to-mysql", "wdt-stockgain-to-kingdee", "jst-otherin-to-kis"} {
		m, body := shipped()[name].Mapping, sampleOf(name)[0]
		if !m.Passes(record.Envelope{}, body, stocked) {
			b.Fatalf("%s: the pass gave up", name)
		}
		b.Run(name+"/pass", func(b *testing.B) { appending(b, m, body) })
		b.Run(name+"/general", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.General(record.Envelope{}, body, stocked); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func appending(b *testing.B, m *mapping.Mapping, body []byte) {
	b.Helper()
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, _, err = m.Append(dst[:0], record.Envelope{Key: "k"}, body, stocked); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFields shows what one field costs: each has to be compared with none.
func BenchmarkFields(b *testing.B) {
	body := []byte(`{"io_id":2204001,"status":"Confirmed","modified":"2025-01-01 11:05:00","qty":12.5000,"price":3.20,"items":[{"n":1},{"n":2},{"n":3}],"remark":null}`)
	for _, text := range []string{
		"", "record.status", `string(record.io_id) + "-" + record.status`, `date(record.modified)`, `decimal(record.qty)`, `coalesce(record.remark, record.status)`, `record.status == "x" ? "y" : "z"`,
		`lookup("kingdee.material", "number", record.status).base_unit_id`, `string(record.io_id).pad_start(10, "0")`, `string(record.qty * record.price)`, `string(sum(record.items, item.n))`,
	} {
		from := mapping.Spec{Fields: []mapping.Field{{Name: "number", Value: mapping.Expr{Text: "record.io_id"}}, {Name: "name", Value: mapping.Expr{Text: "record.status"}}}}
		if text != "" {
			from.Fields = append(from.Fields, mapping.Field{Name: "remark", Value: mapping.Expr{Text: text}})
		}
		m, issues := mapping.Compile(from, (&kingdeev1.Customer{}).ProtoReflect().Descriptor())
		if issues != nil {
			b.Fatal(issues)
		}
		b.Run(fmt.Sprintf("%q", text), func(b *testing.B) { appending(b, m, body) })
	}
}

// BenchmarkLines shows what a line costs: a record of 100 lines beside one of 1.
func BenchmarkLines(b *testing.B) {
	from := mapping.Spec{Fields: []mapping.Field{{Name: "io_id", Value: mapping.Expr{Text: "record.io_id"}}, {Name: "rows", Each: mapping.Expr{Text: "record.items"}, Fields: []mapping.Field{}}}}
	for _, name := range []string{"id", "io_id", "modified", "status", "items_ioi_id", "items_sku_id", "items_qty"} {
		text := map[string]string{"id": `string(record.io_id) + "-" + string(item.ioi_id)`, "io_id": "record.io_id", "modified": "datetime(record.modified)", "status": "record.status"}[name]
		if text == "" {
			text = "item." + name[len("items_"):]
		}
		from.Fields[1].Fields = append(from.Fields[1].Fields, mapping.Field{Name: name, Value: mapping.Expr{Text: text}})
	}
	m, issues := mapping.Compile(from, (&mysqlv1.PurchaseIn{}).ProtoReflect().Descriptor())
	if issues != nil {
		b.Fatal(issues)
	}
	for _, lines := range []int{1, 10, 100} {
		body := []byte(`{"io_id":2204001,"status":"Confirmed","modified":"2025-01-01 11:05:00","items":[`)
		for i := range lines {
			body = fmt.Appendf(body, `%s{"ioi_id":%d,"sku_id":"SKU-%d","qty":%d.50}`, []string{"", ","}[min(i, 1)], i+1, i, i)
		}
		body = append(body, "]}"...)
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			appending(b, m, body)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		})
	}
}
