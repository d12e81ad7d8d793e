package mapping

import "slices"

// Function is one function of the language, as `erpstream help functions` and the guide show it.
type Function struct {
	// Name is what it is called by, Group what it belongs to.
	Name  string `json:"name"`
	Group string `json:"group"`
	// Signature says how it is called: (a, b) → type, and .f(…) for what stands behind a value.
	Signature string `json:"signature"`
	// Does says in a sentence what it gives, Chinese how users call it, "" where they have no word.
	Does    string `json:"does"`
	Chinese string `json:"chinese,omitempty"`
	// Examples are expressions over ExampleRecord. They are tests.
	Examples []FunctionExample `json:"examples"`
}

// FunctionExample is an expression with its result.
type FunctionExample struct {
	Expression string `json:"expression"`
	// Result is the value as JSON, times with their zone; with Each it is a list with a value for each line.
	Result string `json:"result"`
	// Each is the list whose elements are item, "" when it is computed once a record.
	Each string `json:"each,omitempty"`
}

// ExampleRecord is the record that all examples are computed over. Its feed is in Asia/Shanghai.
const ExampleRecord = `{
  "io_id": 9007199254740993, "order_no": " PO-20260131-007 ", "status": 80, "pay_type": "1",
  "amount": "1250.50", "rate": 0.0615, "freight": -2.345, "remark": "", "memo": null,
  "modified": "2026-01-31 18:30:05", "check_time": "0000-00-00 00:00:00", "created_ms": 1769855405000,
  "shop": "ＡＢＣ－１２３", "tags": ["vip", "gift"], "supplier": {"name": "Acme"},
  "items": [
    {"sku": "A1", "qty": 2, "price": "10.25", "gift": false},
    {"sku": "B2", "qty": 1.5, "price": "4.00", "gift": false},
    {"sku": "A1", "qty": 3, "price": "0", "gift": true}
  ]
}`

// ExampleTable is the value table paytype of the examples, ExampleSettings are those of their connection.
var (
	ExampleTable    = map[string]string{"1": "JSFS01", "2": "JSFS04"}
	ExampleSettings = map[string]string{"account_id": "168"}
)

// Functions returns the catalog of the language, by group and in the order in which it is to be read. It
// is the source of `erpstream help functions` and of the guide.
func Functions() []Function {
	return slices.Concat(numberCatalog(), textCatalog(), timeCatalog(), nullCatalog(), listCatalog(), masterCatalog(), optionalCatalog())
}

// documented makes one entry of the catalog; examples are expressions with their result.
func documented(name, signature, does, chinese string, examples ...string) Function {
	f := Function{Name: name, Signature: signature, Does: does, Chinese: chinese}
	for i := 0; i+1 < len(examples); i += 2 {
		f.Examples = append(f.Examples, FunctionExample{Expression: examples[i], Result: examples[i+1]})
	}
	return f
}

// perLine makes the examples of an entry ones that are computed for each line.
func perLine(f Function) Function {
	for i := range f.Examples {
		f.Examples[i].Each = "record.items"
	}
	return f
}

// grouped puts entries into a group.
func grouped(group string, functions ...Function) []Function {
	for i := range functions {
		functions[i].Group = group
	}
	return functions
}
