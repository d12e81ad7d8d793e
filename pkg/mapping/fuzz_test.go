package mapping

import (
	"errors"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
)

// slow is more than any expression may take that is compiled and applied, on a slow machine.
const slow = 5 * time.Second

// nothing is master data that there is none of.
type nothing struct{}

func (nothing) Find(_, _, _ string) []reference.Entry { return nil }

// Whatever an expression says, it is refused with a place, or it computes and says what is wrong with
// the record; in bounded time.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`record.a`, `decimal(record.b) * 2 + record.c`, `format_time(datetime(record.d), "yyyy-MM-dd")`, `record.items.map(i, i.n).size() > 0`,
		`lookup("kis.material", "F_103", record.a).FItemID`, `coalesce(record.x, "")`, `record.a.matches("(a+)+$")`, `round(record.b / 3, 100)`,
		`record.items.map(i, record.items.map(j, record.items.map(k, "x")))`, `pad_start(record.a, 1000000000, "0")`, `decimal("1e999999999")`,
		`string(record.b) + "采购"`, `record[""]`, `meta.time`, `date(record.d) == date("")`, `int(record.b) / 0`, `"a".replace("", "b", 100000)`,
		`sum(record.items, decimal(coalesce(item.n, 0)) * 2)`, `group(record.items, [item.n, record.e]).map(g, g.key)`, `record.a.extract("(x{30}){30}")`,
		`divide(record.b, 3, 2, "half_even")`, `start_of(add_months(record.d, 100000), "quarter")`, `cel.bind(a, [record.a], cel.bind(b, [a, a], b == b))`,
		`choose(record.e, md5(record.a), "x")`, `record.items.sortBy(item.n).flatten()`, `from_unix_ms(record.b * 1000)`, `table("t", record.c, setting("s"))`,
		`record.a.split("").join(record.a).regex_replace("", "$0$0")`, `datetime(record.a, "yyyy", "UTC")`, `max(record.items, x, x.n)`, `default(null_if(record.c, "7"), index)`,
		`record.items.filter(i, i.n > 1)[0].n`, `{"a": 1}.a`, `has(record.a.b.c)`, `-record.b`, `1.5`, `[1,2,3].all(x, x in [x])`,
	} {
		for kind := range uint8(5) {
			f.Add(seed, kind)
		}
	}
	body := []byte(`{"a":"text","b":12.3400,"c":"7","d":"2026-01-31 12:00:00","e":true,"items":[{"n":1},{"n":"2"},{"n":null}],"nil":null}`)
	fields := everything(f)
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		began := time.Now()
		expr := Expr{Text: text, At: Pos{Line: 1, Column: 1}, Path: "map.f"}
		name := []string{"text", "i64", "flag", "at", "amount"}[kind%5]
		m, issues := Compile(Spec{Fields: []Field{{Name: name, Path: "map." + name, Value: expr}}}, fields)
		if (m == nil) != (len(issues) > 0) {
			t.Fatalf("%q: compiled %v with %v", text, m != nil, issues)
		}
		if m != nil {
			result, err := m.Apply(record.Envelope{Key: "1"}, body, nothing{})
			_, waits := errors.AsType[*Missing](err)
			if err != nil && (!fault.IsPermanent(err) && !waits || len(result.Body) > 0) {
				t.Errorf("%q: %v, %d bytes", text, err, len(result.Body))
			}
		}
		if took := time.Since(began); took > slow {
			t.Errorf("%q took %v", text, took)
		}
	})
}
