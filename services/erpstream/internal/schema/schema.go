// Package schema writes the JSON schema of the documents that users write, for completion and checks in
// editors. Names and values come from the tables that the parser and the checks go by: systems, feeds,
// settings, target messages with their fields, options.
package schema

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
)

// node is a schema, or a part of one.
type node = map[string]any

// Document returns the schema of all kinds of documents, to be written as JSON.
func Document() map[string]any {
	defs := node{
		"name":       nameNode(),
		"expression": expressionNode(),
		"duration":   durationNode(),
		"zone":       node{"type": "string", "description": "A time zone such as Asia/Shanghai."},
		"connection": connection(),
		"source":     source(),
		"flow":       flowNode(),
		"tests":      tests(),
		"rule":       rule(),
	}
	for _, name := range contract.Names() {
		if mt, err := contract.Message(name); err == nil {
			addMessage(defs, mt.Descriptor())
		}
	}
	return node{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "erpstream",
		"description": "Connections (连接), sources (数据源), flows (集成方案) and tests of flows. A document begins with its kind and name.",
		"type":        "object",
		"properties": node{
			flow.KindConnection: text("The name of a connection: one account on one system. In a source: the connection that it is read through."),
			flow.KindSource:     text("The name of a source: what is polled."),
			flow.KindFlow:       text("The name of a flow: what is mapped where."),
			flow.KindTests:      text("The name of the flow that these tests are of."),
		},
		"if": has(flow.KindFlow), "then": ref("flow"),
		"else": node{
			"if": has(flow.KindSource), "then": ref("source"),
			"else": node{
				"if": has(flow.KindTests), "then": ref("tests"), "else": ref("connection"),
			},
		},
		"$defs": defs,
	}
}

func ref(name string) node   { return node{"$ref": "#/$defs/" + name} }
func has(field string) node  { return node{"required": []string{field}} }
func text(about string) node { return node{"type": "string", "description": about} }
func count(about string, low, high int) node {
	return node{"type": "integer", "minimum": low, "maximum": high, "description": about}
}

// about returns a reference with a description of its own.
func about(name, description string) node {
	n := ref(name)
	n["description"] = description
	return n
}

// object is a mapping with known fields only.
func object(description string, required []string, properties node) node {
	n := node{"type": "object", "additionalProperties": false, "properties": properties}
	if description != "" {
		n["description"] = description
	}
	if len(required) > 0 {
		n["required"] = required
	}
	return n
}

// choice is a text of a few.
func choice(description string, values ...string) node {
	return node{"type": "string", "enum": values, "description": description}
}

// suggest is a text of any kind, where editors offer some.
func suggest(description string, values []string) node {
	return node{"type": "string", "anyOf": []node{{"enum": values}, {"pattern": namePattern}}, "description": description}
}

const namePattern = "^[a-z][a-z0-9-]{0,63}$"

func nameNode() node {
	return node{"type": "string", "pattern": namePattern, "description": "Lower case letters, digits and hyphens."}
}

func expressionNode() node {
	return node{
		"type": []string{"string", "number", "boolean"},
		"description": "A CEL expression over record (the document of the source), item (the element of the each around it), parent and meta. " +
			"Text stands in double quotes within it: '\"audit\"'. `erpstream help functions` lists the functions.",
	}
}

func durationNode() node {
	const units = "(ns|us|µs|μs|ms|s|m|h)"
	return node{
		"type": "string", "pattern": "^([0-9]+d|[+]?([0-9]*[.]?[0-9]*" + units + ")+|0)$",
		"description": "A length of time with its unit: 30s, 5m, 24h, 7d.",
	}
}

// addMessage adds the definition of a message, and of those in it.
func addMessage(defs node, md protoreflect.MessageDescriptor) {
	name := string(md.FullName())
	if _, done := defs[name]; done {
		return
	}
	properties := node{}
	defs[name] = properties // taken, for messages that hold themselves
	var required []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if describe.IsNested(fd) {
			addMessage(defs, fd.Message())
		}
		f := describe.One(fd)
		properties[f.Name] = field(fd, f)
		if must(fd, f) {
			required = append(required, f.Name)
		}
	}
	defs[name] = object(describe.Of(md).Comment, required, properties)
}

// must reports whether a flow has to map a field. A list that needs elements may be left out: a mapping
// without it compiles, and its messages are refused.
func must(fd protoreflect.FieldDescriptor, f describe.Field) bool { return f.Required && !fd.IsList() }

// field is how a field of a message is mapped.
func field(fd protoreflect.FieldDescriptor, f describe.Field) node {
	words := f.Line()
	switch {
	case fd.IsMap():
		pairs := node{"type": "object", "additionalProperties": ref("expression"), "description": "Names with an expression each."}
		return object(words, []string{"map"}, node{"map": pairs})
	case fd.IsList():
		element := node{"each": about("expression", "The list whose elements are walked as item, such as record.items.")}
		if describe.IsNested(fd) {
			element["map"] = ref(string(fd.Message().FullName()))
			return object(words, []string{"each", "map"}, element)
		}
		element["value"] = about("expression", "The value of one element.")
		return object(words, []string{"each", "value"}, element)
	case describe.IsNested(fd):
		return object(words, []string{"map"}, node{"map": ref(string(fd.Message().FullName()))})
	default:
		return about("expression", words)
	}
}

// mapsByMessage offers the fields of the target message in map.
func mapsByMessage() []node {
	var all []node
	for _, name := range contract.Names() {
		target := node{"properties": node{"message": node{"const": name}}, "required": []string{"message"}}
		all = append(all, node{
			"if":   node{"properties": node{"target": target}, "required": []string{"target"}},
			"then": node{"properties": node{"map": ref(name)}},
		})
	}
	return all
}

// messagesByKind are the names of the target messages of each kind of sink.
func messagesByKind() map[string][]string {
	kinds := map[string][]string{}
	for _, name := range contract.Names() {
		if mt, err := contract.Message(name); err == nil {
			kind := describe.Kind(mt.Descriptor())
			kinds[kind] = append(kinds[kind], name)
		}
	}
	return kinds
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
