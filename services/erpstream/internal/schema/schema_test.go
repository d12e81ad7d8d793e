package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/proto/contract"
)

var update = flag.Bool("update", false, "rewrite the committed schema")

const (
	config    = "../../../../deploy/config"
	committed = config + "/schema.json"
)

func written(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(Document()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(written(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", text); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid validates one document the way an editor does.
func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func TestTheCommittedSchemaIsCurrent(t *testing.T) {
	want := written(t)
	if *update {
		if err := os.WriteFile(committed, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(committed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what `erpstream schema` prints (%v): go test ./internal/schema -update", committed, err)
	}
}

// Every document of the repository that the parser takes is valid, but for those of lint: the schema knows
// the messages, which only `flow check` does besides.
func TestWhatParsesIsValid(t *testing.T) {
	s := compiled(t)
	var files []string
	for _, pattern := range []string{config + "/*/*.yaml", config + "/*.yaml", "../../../../pkg/flow/testdata/*.yaml", "../*/testdata/*.yaml"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	n := 0
	for _, file := range files {
		if strings.Contains(file, "/lint/") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents, _ := flow.Parse(file, text) // those that are broken on purpose are left out
		for _, d := range documents {
			if err := valid(t, s, d.Text); err != nil {
				t.Errorf("%s %s of %s: %v", d.Kind, d.Name, file, err)
			}
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d documents were looked at", n)
	}
}

// Every field of every message can be mapped as the schema says, and the parser takes it.
func TestAFlowWithEveryFieldIsValid(t *testing.T) {
	s := compiled(t)
	defs := Document()["$defs"].(node)
	for _, name := range contract.Names() {
		text := fmt.Sprintf("flow: f\nfrom: s\ntarget: {kind: %s, connection: c, message: %s}\nmap:\n%s", strings.Split(name, ".")[1], name, mapped(defs, name, "  "))
		if _, err := flow.Parse("f.yaml", []byte(text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		if err := valid(t, s, text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// mapped writes a mapping of every field of a message.
func mapped(defs node, name, indent string) string {
	var b strings.Builder
	properties := defs[name].(node)["properties"].(node)
	for _, field := range slices.Sorted(maps.Keys(properties)) {
		inner, nested := properties[field].(node)["properties"].(node)
		b.WriteString(indent + field + ":")
		if !nested {
			b.WriteString(" record.x\n")
			continue
		}
		b.WriteString("\n")
		if inner["each"] != nil {
			b.WriteString(indent + "  each: record.items\n")
		}
		if inner["value"] != nil {
			b.WriteString(indent + "  value: item.x\n")
		}
		if inner["map"] != nil {
			b.WriteString(indent + "  map:\n")
			if target, is := inner["map"].(node)["$ref"].(string); is {
				b.WriteString(mapped(defs, strings.TrimPrefix(target, "#/$defs/"), indent+"    "))
			} else {
				b.WriteString(indent + "    any: record.x\n")
			}
		}
	}
	return b.String()
}

func TestWhatIsRefused(t *testing.T) {
	s := compiled(t)
	const head = "flow: f\nfrom: s\n"
	const bill = "target: {kind: kingdee, connection: c, message: erpstream.kingdee.v1.InventoryGainBill}\n"
	for name, text := range map[string]string{
		"unknown field":                 head + bill + "mapp: {}\nmap: {}\n",
		"field of another message":      head + bill + "map: {bill_date: record.d, remark: record.r, io_id: record.x}\n",
		"missing required field":        head + bill + "map: {remark: record.r}\n",
		"list without each":             head + bill + "map: {bill_date: record.d, remark: record.r, material_entity: record.items}\n",
		"message of another kind":       head + "target: {kind: mysql, connection: c, message: erpstream.kingdee.v1.Customer}\nmap: {number: record.x, name: record.x}\n",
		"unknown message":               head + "target: {kind: mysql, connection: c, message: erpstream.mysql.v1.Nothing}\nmap: {}\n",
		"unknown option":                head + "target: {kind: kingdee, connection: c, message: erpstream.kingdee.v1.Customer, options: {on_remove: keep}}\nmap: {number: record.x, name: record.x}\n",
		"fate":                          head + bill + "quality: [{rule: record.x > 1, else: ded}]\nmap: {bill_date: record.d, remark: record.r}\n",
		"two rules in one":              head + bill + "quality: [{rule: record.x > 1, required: record.y, else: dead}]\nmap: {bill_date: record.d, remark: record.r}\n",
		"source without a start":        "source: s\nconnection: c\nfeed: jushuitan.otherin\nevery: 5m\n",
		"source with every and cron":    "source: s\nconnection: c\nfeed: jushuitan.shops\nevery: 5m\ncron: 0 */5 * * * *\n",
		"unknown feed":                  "source: s\nconnection: c\nfeed: jushuitan.shop\nevery: 5m\n",
		"number for a time":             "source: s\nconnection: c\nfeed: jushuitan.shops\nevery: 300\n",
		"setting of another system":     "connection: c\nsystem: jushuitan\nendpoint: sandbox\nsettings: {edition: flagship}\n",
		"connection without its system": "connection: c\nendpoint: sandbox\n",
	} {
		if err := valid(t, s, text); err == nil {
			t.Errorf("%s: is taken\n%s", name, text)
		}
	}
	if err := valid(t, s, "connection: c\nsystem: sap\nendpoint: https://sap.example/x\nsettings: {any: thing}\n"); err != nil {
		t.Errorf("a system of another team: %v", err)
	}
}

// no is a key that no object has, nor one that is near it.
var no = strings.Repeat("q", 40)

// TestFieldsAreThoseOfTheParser asks the parser which fields each object may have, by one that it has not,
// and compares them with those of the schema.
func TestFieldsAreThoseOfTheParser(t *testing.T) {
	const rule = "flow: f\nquality: [{else: dead, "
	const one = "tests: f\ncases: [{name: a, record: {}, "
	for path, text := range map[string]string{
		"connection":         "connection: c\n" + no + ": 1\n",
		"connection/budget":  "connection: c\nbudget: {" + no + ": 1}\n",
		"source":             "source: s\n" + no + ": 1\n",
		"flow":               "flow: f\n" + no + ": 1\n",
		"flow/target":        "flow: f\ntarget: {" + no + ": 1}\n",
		"rule":               rule + no + ": 1}]\n",
		"rule/required":      rule + "required: {" + no + ": 1}}]\n",
		"rule/range":         rule + "range: {" + no + ": 1}}]\n",
		"rule/one_of":        rule + "one_of: {" + no + ": 1}}]\n",
		"rule/unique":        rule + "unique: {" + no + ": 1}}]\n",
		"rule/fresh":         rule + "fresh: {" + no + ": 1}}]\n",
		"tests":              "tests: f\n" + no + ": 1\n",
		"tests/cases":        one + no + ": 1}]\n",
		"tests/cases/meta":   one + "meta: {" + no + ": 1}}]\n",
		"tests/cases/parked": one + "parked: {" + no + ": 1}}]\n",
	} {
		want := asked(t, text)
		got := properties(t, path)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the parser takes %v", path, got, want)
		}
	}
	if got := asked(t, "flow: f\nmap: {x: {"+no+": 1}}\n"); !slices.Equal(got, []string{"each", "map", "value"}) {
		t.Errorf("a field of map may have %v: write them into field", got)
	}
}

// asked returns the fields that the parser offers for one that it does not know.
func asked(t *testing.T, text string) []string {
	t.Helper()
	_, err := flow.Parse("x.yaml", []byte(text))
	joined, _ := err.(interface{ Unwrap() []error })
	if joined == nil {
		t.Fatalf("%v of %s", err, text)
	}
	for _, one := range joined.Unwrap() {
		fault, ok := errors.AsType[*flow.Error](one)
		if _, names, is := strings.Cut(fault.Msg, no+`": there are `); ok && is {
			found := strings.Split(names, ", ")
			slices.Sort(found)
			return found
		}
	}
	t.Fatalf("no unknown field among %v", err)
	return nil
}

// properties returns the names of an object's fields in the schema.
func properties(t *testing.T, path string) []string {
	t.Helper()
	steps := strings.Split(path, "/")
	at := Document()["$defs"].(node)[steps[0]].(node)
	for _, step := range steps[1:] {
		at = at["properties"].(node)[step].(node)
		if choices, ok := at["anyOf"].([]node); ok {
			at = choices[len(choices)-1]
		}
		if items, ok := at["items"].(node); ok {
			at = items
		}
	}
	return slices.Sorted(maps.Keys(at["properties"].(node)))
}
