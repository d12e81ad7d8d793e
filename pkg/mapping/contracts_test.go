package mapping_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
)

// kinds are the types of fields with rules that a contract may have for them.
var kinds = map[string][]string{
	"INT32": {"int32: {gte: -5}", "int32: {gt: 0 lt: 100}", "int32: {in: [1, 2]}", "int32: {lt: 0 gt: 10}"}, "SINT32": {"sint32: {not_in: [0]}"}, "SFIXED32": {"sfixed32: {const: 1}"},
	"INT64": {"int64: {lte: 12}", "int64: {gt: 0}"}, "SINT64": {"sint64: {lt: 100000}"}, "SFIXED64": nil, "UINT32": {"uint32: {gt: 0}"}, "FIXED32": nil, "UINT64": {"uint64: {lte: 5}"}, "FIXED64": nil,
	"BOOL": {"bool: {const: true}"}, "ENUM": {"enum: {defined_only: true}", "enum: {in: [1]}"},
	"STRING": {
		`string: {max_len: 4}`, `string: {min_len: 2}`, `string: {len: 1}`, `string: {pattern: "^[0-9]+$"}`, `string: {pattern: "^.{0,3}$"}`, `string: {in: ["x", "1"]}`, `string: {not_in: [""]}`, `string: {prefix: "x"}`, `string: {email: true}`,
		`cel: {id: "short" message: "too long" expression: "size(this) < 5"}`, `string: {max_len: 3} ignore: IGNORE_IF_ZERO_VALUE`, `string: {max_bytes: 9}`,
	},
	"DECIMAL": {`string: {pattern: "^-?[0-9]{1,14}([.][0-9]{1,4})?$"}`}, "TIME": {"timestamp: {gt: {seconds: 1}}"},
}

// randomContract makes a message with fields of all kinds: one of each, lists, maps and messages, with random rules, numbers
// and presence.
func randomContract(r *rand.Rand, id int) protoreflect.MessageDescriptor {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(fmt.Sprintf("contract%d.proto", id)), Package: proto.String(fmt.Sprintf("contract%d", id)), Edition: descriptorpb.Edition_EDITION_2023.Enum(), Syntax: proto.String("editions"),
		Dependency: []string{"google/protobuf/timestamp.proto", "erpstream/sink/v1/options.proto", "buf/validate/validate.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Color"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("COLOR_NONE"), Number: proto.Int32(0)}, {Name: proto.String("COLOR_RED"), Number: proto.Int32(1)}}}},
	}
	scope := fmt.Sprintf(".contract%d.", id)
	for _, name := range []string{"M", "N", "O"} {
		message := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		numbers := r.Perm(40)
		add := func(field, kind, typeName string, label descriptorpb.FieldDescriptorProto_Label, options ...string) {
			f := &descriptorpb.FieldDescriptorProto{Name: proto.String(field), Number: proto.Int32(int32(numbers[len(message.Field)] + 1)), Label: label.Enum(), Options: &descriptorpb.FieldOptions{}}
			f.Type = descriptorpb.FieldDescriptorProto_Type(descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+kind]).Enum()
			if typeName != "" {
				f.TypeName = proto.String(typeName)
			}
			if err := prototext.Unmarshal([]byte(strings.Join(options, " ")), f.Options); err != nil {
				panic(err)
			}
			message.Field = append(message.Field, f)
		}
		optional, repeated := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			if r.IntN(3) > 0 {
				continue
			}
			rules := kinds[kind]
			var options []string
			if len(rules) > 0 && r.IntN(4) == 0 {
				options = append(options, "[buf.validate.field]: {"+rules[r.IntN(len(rules))]+"}")
			} else if r.IntN(25) == 0 {
				options = append(options, "[buf.validate.field]: {required: true}")
			}
			typeName, wire := "", kind
			switch kind {
			case "ENUM":
				typeName = scope + "Color"
			case "TIME":
				typeName, wire = ".google.protobuf.Timestamp", "MESSAGE"
			case "DECIMAL":
				wire, options = "STRING", append(options, `[erpstream.sink.v1.column]: {type: "DECIMAL(18,4)"}`)
			}
			single := options
			if wire != "MESSAGE" && r.IntN(4) == 0 {
				single = append(slices.Clone(options), "features: {field_presence: IMPLICIT}")
			}
			add(strings.ToLower(kind), wire, typeName, optional, single...)
			if r.IntN(3) == 0 {
				list := []string{[]string{"", "", "[buf.validate.field]: {repeated: {min_items: 1 max_items: 3}}", "[buf.validate.field]: {required: true}", "[buf.validate.field]: {repeated: {unique: true}}"}[r.IntN(5)]}
				if wire != "MESSAGE" && wire != "STRING" && r.IntN(2) == 0 {
					list = append(list, "features: {repeated_field_encoding: EXPANDED}")
				}
				add(strings.ToLower(kind)+"s", wire, typeName, repeated, list...)
			}
		}
		if name != "O" {
			next := scope + map[string]string{"M": "N", "N": "O"}[name]
			add("message", "MESSAGE", next, optional)
			add("messages", "MESSAGE", next, repeated, []string{"", "[buf.validate.field]: {repeated: {max_items: 2}}"}[r.IntN(2)])
		}
		for _, kind := range []string{"STRING", "INT32"} {
			entry := "Of" + kind + "Entry"
			message.NestedType = append(message.NestedType, &descriptorpb.DescriptorProto{
				Name: proto.String(entry), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
				Field: []*descriptorpb.FieldDescriptorProto{
					{Name: proto.String("key"), Number: proto.Int32(1), Label: optional.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()},
					{Name: proto.String("value"), Number: proto.Int32(2), Label: optional.Enum(), Type: descriptorpb.FieldDescriptorProto_Type(descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+kind]).Enum()},
				},
			})
			add("of"+kind, "MESSAGE", scope+name+"."+entry, repeated, []string{"", "[buf.validate.field]: {map: {min_pairs: 1 max_pairs: 2}}"}[r.IntN(2)])
		}
		file.MessageType = append(file.MessageType, message)
	}
	fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return fd.Messages().ByName("M")
}

// expressions are what random mappings compute; P and Q are paths.
var expressions = []string{
	"P", "P", "P", "P", "P", "string(P)", "int(P)", "decimal(P)", `string(P) + "-" + string(Q)`, `"采" + P`, "coalesce(P, Q)", `coalesce(P, "x", Q)`, "default(P, 1)", `P == "x" ? Q : P`, "P == Q", `P != null && Q == 1`, `!(P == true) || Q > 2`,
	"P > 1", "P <= Q", "string(size(P))", "P in [1, \"x\", null, true]", `datetime(P)`, "date(P)", `format_time(P, "yyyyMMddHHmmss", "UTC")`, `coalesce(datetime(P), datetime(Q))`, "datetime(P) == datetime(Q)", `lookup("c", "number", P).base_unit_id`,
	`lookup("c", "number", lookup("d", "x", P).number).id + "/" + string(Q)`, `table("t", P)`, `table("t", P, Q)`, "meta.key", "meta.version", "meta.time", "index", `string(index) + meta.key`, `"constant"`, "12", "true", "null", `'decimal("2.50")'`,
	"string(P).upper()", "sum(record.items, item.n)", "sum(record.items, i, i.n * 2)", `record.?s.orValue("none")`, `P.?c.orValue("none")`, "record.l.map(x, string(x)).join(\"/\")", "cel.bind(q, P, string(q) + string(q))", "record.size()", `record.b == record.b ? "same" : "other"`,
	`has(record.b.c) ? "has" : "hasn't"`, "has(record.b.none)", "has(P)", "first(record.items).n", "record.items.filter(i, i.n > 1).size()", "round(P, 2)", "P * 2", "P + Q", `"k" in record`, "record[\"s\"]", "size(record.items) > 0", "is_empty(P)", "null_if(P, Q)",
	`record.items.exists(i, i.n == P)`, "record", "record.items[size(record.items) - 1].n", `choose(P == 1, "one", P == "x", "x", Q)`,
}

var lists = []string{"record.items", "record.items", "record.l", "record.b.none", "record.items.filter(i, i.n != 2)", "record.items.sortBy(i, string(i.n))", "item.subs", "item.subs", "group(record.items, item.n)", "[1, 2]", "parent.subs", "item.items", "record.a"}

// paths are those of a depth.
func paths(depth int) []string {
	all := []string{"record.a", "record.b.c", "record.l[0]", "record.l[1].c", `record["a"]`, "record.d", "record.s", "record.z", "record.num", "record.color", "record.k", "record.b", "record.l", "record.gone"}
	if depth > 0 {
		all = append(all, "item.n", "item.n", "item.m.k", "item.t", "item", "item.key", "item.q", "item.subs[0].q", "item.d")
	}
	if depth > 1 {
		all = append(all, "parent.n", "parent.t", "parent.m.k", "parent")
	}
	return all
}

func expression(r *rand.Rand, depth int) mapping.Expr {
	all := paths(depth)
	text := strings.NewReplacer("P", all[r.IntN(len(all))], "Q", all[r.IntN(len(all))], "'", "").Replace(expressions[r.IntN(len(expressions))])
	return mapping.Expr{Text: text}
}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	rules, err := protovalidate.ResolveFieldRules(fd)
	return err == nil && rules.GetRequired()
}

// fields maps some of the fields of a message, in random order.
func fields(r *rand.Rand, md protoreflect.MessageDescriptor, path string, depth, most int) []mapping.Field {
	all := []mapping.Field{}
	for _, i := range r.Perm(md.Fields().Len()) {
		fd := md.Fields().Get(i)
		f := mapping.Field{Name: string(fd.Name()), Path: path + "." + string(fd.Name())}
		inner := depth
		if fd.IsList() {
			f.Each = mapping.Expr{Text: lists[r.IntN(len(lists))], Path: f.Path}
			inner++
		}
		switch {
		case len(all) >= most && !isRequired(fd):
			continue
		case fd.IsMap():
			for _, name := range []string{"z", "a", "采", ""}[:r.IntN(4)+1] {
				all := expression(r, depth)
				all.Path = f.Path
				f.Fields = append(f.Fields, mapping.Field{Name: name, Path: f.Path, Value: all})
			}
		case fd.Message() != nil && fd.Message().FullName() != "google.protobuf.Timestamp":
			f.Fields = fields(r, fd.Message(), f.Path, inner, (most+1)/2)
		default:
			f.Value = expression(r, inner)
			f.Value.Path = f.Path
		}
		all = append(all, f)
	}
	return all
}

// mended gives the fields that have a fault another expression, and drops them when none does.
func mended(all []mapping.Field, faults map[string]bool) []mapping.Field {
	kept := []mapping.Field{}
	for _, f := range all {
		f.Fields = mended(f.Fields, faults)
		if faults[f.Path] {
			if f.Each.Text != "" {
				f.Each.Text = "record.items"
			}
			switch f.Value.Text {
			case "":
			case "record.a":
				f.Value.Text = "datetime(record.d)"
			case "datetime(record.d)":
				continue
			default:
				f.Value.Text = "record.a"
			}
		}
		kept = append(kept, f)
	}
	if all == nil {
		return nil
	}
	return kept
}

// random makes a mapping, nil when none comes of the seed.
func random(seed int) *mapping.Mapping {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	md := randomContract(r, seed)
	from := mapping.Spec{Fields: fields(r, md, "map", 0, r.IntN(5)+1), Tables: map[string]spec.Table{"t": {Rows: map[string]string{"1": "one", "x": "ex", " x ": "blank"}}}}
	from.Layouts = [][]string{nil, {mapping.EpochMS, time.DateTime}, {"2006-01-02 15:04"}, {"02/01/2006", time.DateTime}}[r.IntN(4)]
	if r.IntN(3) == 0 {
		from.Where = mapping.Expr{Text: []string{`record.a != "x"`, "size(record.items) > 0", "record.b.c == null || record.a == 1", `record.s.startsWith("t")`}[r.IntN(4)]}
	}
	for range r.IntN(3) {
		from.Quality = append(from.Quality, quality(r))
	}
	for range 8 {
		m, issues := mapping.Compile(from, md)
		if m != nil {
			return m
		}
		faults := map[string]bool{}
		for _, issue := range issues {
			faults[issue.Path] = true
		}
		from.Fields = mended(from.Fields, faults)
	}
	return nil
}

func quality(r *rand.Rand) mapping.Rule {
	rule := mapping.Rule{Name: fmt.Sprintf("rule %d", r.IntN(3)), Else: spec.Fates()[r.IntN(len(spec.Fates()))]}
	if r.IntN(3) == 0 {
		rule.Rule = mapping.Expr{Text: []string{"record.a != null", "size(record.items) > 1", "record.items.all(i, i.n >= 0)", "record.num == record.a"}[r.IntN(4)]}
		return rule
	}
	of := paths(0)
	c := &spec.Check{Kind: []spec.CheckKind{spec.Required, spec.Range, spec.OneOf, spec.Fresh, spec.Unique}[r.IntN(5)], Field: mapping.Expr{Text: of[r.IntN(len(of))]}, Min: "-1", Max: "100", Values: []string{"x", "1", "true"}, Within: 1 << 50}
	if c.Kind != spec.Unique && r.IntN(2) == 0 {
		of = paths(1)
		c.Each, c.Field = mapping.Expr{Text: lists[r.IntN(5)]}, mapping.Expr{Text: of[r.IntN(len(of))]}
	}
	rule.Check = c
	return rule
}

const everyKind = `{"a":1,"b":{"c":"7"},"l":["x",{"c":2}],"d":"2025-01-01 11:05:00","s":"text","z":null,"num":"12.50","color":"COLOR_RED","k":true,
"items":[{"n":1,"m":{"k":"2"},"t":"x","d":"2024-02-29","subs":[{"q":5},{"q":"6"}]},{"n":2,"m":null,"t":"","subs":[]},{"n":3.50,"m":{"k":null},"t":"采","subs":null}]}`

// Random mappings onto random contracts make the same in one pass as in general.
func TestRandomMappings(t *testing.T) {
	var all []*mapping.Mapping
	var c tally
	env := record.Envelope{Key: "k\u91c7", Source: "s", Version: 7}
	for seed := range 250 {
		m := random(seed)
		if m == nil {
			continue
		}
		fine := c.fine
		if difference := c.same(m, env, []byte(everyKind)); difference != "" {
			t.Errorf("seed %d: %s", seed, difference)
		}
		if c.fine > fine || seed%10 == 0 {
			all = append(all, m)
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d mappings", len(all))
	}
	c.atLeast(t, 60)
	sample := tree([]byte(everyKind))
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(all).Draw(t, "mapping")
		for range 5 {
			body := changed(t, sample)
			if difference := c.same(m, env, body); difference != "" {
				t.Fatal(difference)
			}
		}
	})
}
