package schema

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/proto/contract"
)

func connection() node {
	n := object("One account on one system. Secrets are files, never here.", []string{"connection", "system", "endpoint"}, node{
		"connection": ref("name"),
		"system":     suggest("The system: 聚水潭 jushuitan, 旺店通 wangdiantong, 金蝶云星辰 kingdee, 金蝶 KIS 私有云 kis, mysql, or one of another team.", flow.Systems),
		"endpoint":   text("The URL of the system's API, mysql://host:port/database, or sandbox for the built-in imitation."),
		"time_zone":  about("zone", "The time zone of the account; Asia/Shanghai when left out."),
		"budget": object("How often the account may be called (频次限制); the vendor's own limit when left out.", nil, node{
			"per_second": count("Calls a second.", 0, 100_000),
			"per_minute": count("Calls a minute.", 0, 100_000),
		}),
		"settings": node{"type": "object", "additionalProperties": node{"type": "string"}, "description": "What only this system knows."},
	})
	var bySystem []node
	for _, system := range flow.Systems {
		bySystem = append(bySystem, node{
			"if":   node{"properties": node{"system": node{"const": system}}, "required": []string{"system"}},
			"then": node{"properties": node{"settings": settings(system)}},
		})
	}
	n["allOf"] = bySystem
	return n
}

// settings are those of a system. A name that ends in a dot stands for all that begin so.
func settings(system string) node {
	names, _ := check.Settings(system)
	properties, patterns := node{}, node{}
	for _, name := range names {
		if prefix, begins := strings.CutSuffix(name, "."); begins {
			patterns["^"+prefix+"[.]"] = node{"type": "string"}
			continue
		}
		properties[name] = node{"type": "string"}
	}
	n := object("", nil, properties)
	if len(patterns) > 0 {
		n["patternProperties"] = patterns
	}
	return n
}

func source() node {
	n := object("What is polled: one query API of a connection.", []string{"source", "connection", "feed"}, node{
		"source":     ref("name"),
		"connection": about("name", "The connection that is asked."),
		"feed":       feeds(),
		"every":      about("duration", "The time between two polls, such as 5m."),
		"cron":       text("A schedule of six fields, seconds first: 0 */5 * * * *."),
		"zone":       about("zone", "The time zone of cron."),
		"start":      text("The source time at which the first poll begins: 2026-01-01T00:00:00+08:00, or a day in the feed's zone."),
		"cursor":     choice("What the source goes by: windows of time, or the row version where the feed can be read by it.", "window", "version"),
		"request":    node{"type": "object", "description": "Parameters of the API over those of the feed."},
		"settle":     about("duration", "How far behind now a window ends, so that late commits are in it; the feed's own when left out."),
		"overlap":    about("duration", "How much of the time before the cursor each poll reads again; the feed's own when left out."),
		"slice":      about("duration", "The widest window of one poll; the feed's own when left out."),
		"page_size":  count("Documents a page; the feed's largest when left out.", 1, 10_000),
		"recount":    text("The time of day at which closed windows are counted again, such as 03:30, or off."),
		"quiet":      about("duration", "How long nothing new may come before an event says so, such as 24h."),
	})
	n["oneOf"] = []node{has("every"), has("cron")}
	n["dependentRequired"] = node{"zone": []string{"cron"}}
	n["if"] = node{"anyOf": []node{
		{"properties": node{"feed": node{"enum": snapshots()}}, "required": []string{"feed"}},
		{"properties": node{"cursor": node{"const": "version"}}, "required": []string{"cursor"}},
	}}
	n["then"], n["else"] = node{}, has("start")
	return n
}

// feeds offers the feeds with what the vendors call them.
func feeds() node {
	var titles []string
	for _, name := range feed.Names() {
		f, _ := feed.Get(name) // the name is one of the catalog's
		titles = append(titles, f.Title+" "+f.Path)
	}
	n := choice("The query API: <system>.<api>. `erpstream feed list` shows them.", feed.Names()...)
	n["enumDescriptions"] = titles
	return n
}

// snapshots are the feeds that are read whole each time, and so have no start.
func snapshots() []string {
	var names []string
	for _, name := range feed.Names() {
		if f, err := feed.Get(name); err == nil && f.Snapshot {
			names = append(names, name)
		}
	}
	return names
}

func flowNode() node {
	n := object("What is mapped where: source, filter, quality rules, mapping, target.", []string{"flow", "from", "target", "map"}, node{
		"flow":    ref("name"),
		"from":    about("name", "The source."),
		"where":   about("expression", "Records for which this is false are left out."),
		"quality": node{"type": "array", "items": ref("rule"), "description": "Rules that a record must meet (数据质量), in order."},
		"tables": node{
			"type": "object", "additionalProperties": node{"type": "object"},
			"description": "Value tables (对照表): what a code of the source is at the target, or {file: rows.csv}.",
		},
		"target": target(),
		"map":    node{"type": "object", "description": "The fields of the target message, with an expression each."},
	})
	n["allOf"] = mapsByMessage()
	return n
}

// kindReference is the kind of target that keeps master data.
const kindReference = "reference"

func target() node {
	n := object("Where the messages go.", []string{"kind", "connection", "message"}, node{
		"kind":       suggest("The kind of sink: the system of the connection, or reference for master data (基础资料).", append(sinks(), kindReference)),
		"connection": about("name", "The connection that the sink writes to."),
		"message":    choice("The target message. `erpstream message list` shows them.", contract.Names()...),
		"options":    node{"type": "object", "additionalProperties": node{"type": "string"}, "description": "What the flow asks of the sink."},
	})
	var rules []node
	byKind := messagesByKind()
	for _, kind := range sorted(byKind) {
		rules = append(rules, node{
			"if":   node{"properties": node{"kind": node{"const": kind}}, "required": []string{"kind"}},
			"then": node{"properties": node{"message": node{"enum": byKind[kind]}}},
		})
	}
	for _, name := range contract.Names() {
		if mt, err := contract.Message(name); err == nil {
			rules = append(rules, node{
				"if":   node{"properties": node{"message": node{"const": name}}, "required": []string{"message"}},
				"then": node{"properties": node{"options": options(mt.Descriptor())}},
			})
		}
	}
	n["allOf"] = rules
	return n
}

// sinks are the systems that have target messages.
func sinks() []string {
	var kinds []string
	for _, kind := range sorted(messagesByKind()) {
		if kind != kindReference {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// options are those of a message's sink.
func options(md protoreflect.MessageDescriptor) node {
	properties := node{}
	switch {
	case contract.IsReference(md):
		properties[reference.OptionCollection] = text("The collection, where it is not the name of the feed.")
	case contract.Document(md) != nil:
		for name, values := range policy.Options(md) {
			properties[name] = choice("", values...)
		}
	case contract.Table(md) != nil:
		properties["mode"] = choice("upsert changes rows in place, guarded by their version; replace deletes and inserts them.", "upsert", "replace")
	}
	return object("", nil, properties)
}

func rule() node {
	kinds := []spec.CheckKind{spec.Required, spec.Range, spec.OneOf, spec.Unique, spec.Fresh}
	properties := node{
		"name": text("What messages and events call the rule."),
		"rule": about("expression", "What must be true for a record."),
		"else": choice("What becomes of a record that breaks the rule: a dead letter, left out, on with a warning, or parked.", fates()...),
	}
	one := []node{has("rule")}
	for _, kind := range kinds {
		properties[string(kind)] = checkNode(kind)
		one = append(one, has(string(kind)))
	}
	n := object("A quality rule: one of rule and the checks, and the fate of records that break it.", []string{"else"}, properties)
	n["oneOf"] = one
	return n
}

func fates() []string {
	var names []string
	for _, fate := range spec.Fates() {
		names = append(names, string(fate))
	}
	return names
}

// checkNode is a check of one value.
func checkNode(kind spec.CheckKind) node {
	bound := node{"type": []string{"number", "string"}}
	properties, required := node{"field": about("expression", "The value.")}, []string{"field"}
	if kind != spec.Unique {
		properties["each"] = about("expression", "A list whose elements are checked, as item.")
	}
	switch kind {
	case spec.Range:
		properties["min"], properties["max"] = bound, bound
	case spec.OneOf:
		properties["values"] = node{"type": "array", "minItems": 1, "items": node{"type": []string{"string", "number", "boolean"}}}
		required = append(required, "values")
	case spec.Unique, spec.Fresh:
		properties["within"] = ref("duration")
		required = append(required, "within")
	case spec.Required:
	}
	n := object(checkWords[kind], required, properties)
	if kind == spec.Required {
		return node{"anyOf": []node{ref("expression"), n}, "description": checkWords[kind]}
	}
	return n
}

var checkWords = map[spec.CheckKind]string{
	spec.Required: "A value must be there (必填).",
	spec.Range:    "A number must be between min and max (取值范围).",
	spec.OneOf:    "A value must be one of a list.",
	spec.Unique:   "No other document may have the value within a time (唯一).",
	spec.Fresh:    "A time must not be older than within when the record is read (时效).",
}

func tests() node {
	anything := node{"type": []string{"object", "string"}}
	entries := node{
		"type": "object", "description": "Master data (基础资料) by collection: entries with id and fields.",
		"additionalProperties": node{"type": "array", "items": node{"type": "object", "required": []string{"id"}}},
	}
	properties := node{
		"name":        text("What the case is called."),
		"record":      node{"type": anything["type"], "description": "The record, or its JSON as text."},
		"record_file": text("A file with the record."),
		"meta":        object("What the envelope says.", nil, node{"key": node{}, "version": node{}, "time": node{"type": "string"}, "read": node{"type": "string"}}),
		"references":  entries,
		"message":     node{"type": "object", "description": "The message with all its fields."},
		"contains":    node{"type": "object", "description": "Some fields of the message."},
		"filtered":    node{"const": true, "description": "where leaves the record out."},
		"dropped":     text("Part of the rule that leaves the record out."),
		"dead":        text("Part of the error."),
		"parked": object("What the record waits for: master data, or another revision because of a rule.", nil, node{
			"collection": node{"type": "string"}, "field": node{"type": "string"}, "value": node{}, "rule": node{"type": "string"},
		}),
		"warns": node{"type": "array", "items": node{"type": "string"}, "description": "Parts of the rules that the record breaks with else: warn."},
	}
	one := object("A record, and what is expected of it.", []string{"name"}, properties)
	return object("Tests of a flow, for `erpstream flow test`.", []string{"tests", "cases"}, node{
		"tests":      about("name", "The flow."),
		"references": entries,
		"cases":      node{"type": "array", "items": one},
	})
}
