package flow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

func TestQuality(t *testing.T) {
	docs, err := flow.Parse("t.yaml", []byte(`flow: f
from: s
quality:
  - {rule: record.a > 1, else: dead}
  - name: 数量在范围内
    range: {each: record.items, field: item.qty, min: -0.50, max: 100000}
    else: park
  - {required: record.x, else: drop}
  - {required: {each: record.items, field: item.sku}, else: warn}
  - {one_of: {field: record.status, values: [Confirmed, 80, true, 1.50]}, else: dead}
  - {unique: {field: record.so_id, within: 7d}, else: dead}
  - {fresh: {field: record.modified, within: 36h}, else: warn}
target: {kind: mysql, connection: bi, message: m}
map: {a: record.a}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := docs[0].Flow.Spec.Quality
	labels := []string{"record.a > 1", "数量在范围内", "required record.x", "required item.sku", "one_of record.status", "unique record.so_id", "fresh record.modified"}
	for i, want := range labels {
		if got[i].Label() != want {
			t.Errorf("rule %d is called %q, want %q", i, got[i].Label(), want)
		}
	}
	ranged, values := got[1].Check, got[4].Check.Values
	if ranged.Min != "-0.50" || ranged.Max != "100000" || ranged.Each.Text != "record.items" || ranged.Kind != spec.Range || got[1].Else != spec.Park {
		t.Errorf("range is %+v", ranged)
	}
	if strings.Join(values, "|") != "Confirmed|80|true|1.50" {
		t.Errorf("values are %q", values)
	}
	if got[5].Check.Within != 7*24*time.Hour || got[6].Check.Within != 36*time.Hour {
		t.Errorf("within is %s and %s", got[5].Check.Within, got[6].Check.Within)
	}
}

func TestQualityRefused(t *testing.T) {
	for rule, want := range map[string]string{
		`{rule: "true", required: record.x, else: dead}`:                                   "4:5: quality[0]: needs one of rule, required, range, one_of, unique, fresh, and has 2 of them",
		`{name: x, else: dead}`:                                                            "4:5: quality[0]: needs one of rule",
		`{required: record.x}`:                                                             "4:5: quality[0].else: is missing",
		`{required: record.x, else: prk}`:                                                  `4:32: quality[0].else: "prk" is no fate of a record: did you mean park?`,
		`{range: {field: record.x}, else: dead}`:                                           "quality[0].range: needs min, max or both",
		`{range: {field: record.x, min: 2, max: 1}, else: dead}`:                           "4:36: quality[0].range.min: 2 is more than max, 1: nothing is between",
		`{range: {field: record.x, min: 1e999999999}, else: dead}`:                         `quality[0].range.min: "1e999999999" is no decimal number of at most 100 digits`,
		`{range: {field: record.x, mim: 1}, else: dead}`:                                   `4:31: quality[0].range.mim: unknown field "mim": did you mean min?`,
		`{range: record.x, else: dead}`:                                                    "quality[0].range: must be a mapping",
		`{one_of: {field: record.x, values: []}, else: dead}`:                              "quality[0].one_of.values: must be a list of 1 to 1000 values",
		`{one_of: {field: record.x, values: [{a: 1}]}, else: dead}`:                        "quality[0].one_of.values[0]: must be text, a number or true or false",
		`{unique: {field: record.x, within: 0s}, else: dead}`:                              "quality[0].unique.within: must be at least 1s",
		`{unique: {field: record.x, within: 400d}, else: dead}`:                            "quality[0].unique.within: must be at most 366d",
		`{unique: {field: record.x}, else: dead}`:                                          "quality[0].unique.within: is missing",
		`{unique: {each: record.l, field: item.x, within: 1h}, else: dead}`:                `quality[0].unique.each: unknown field "each"`,
		`{fresh: {field: record.x, within: soon}, else: dead}`:                             `quality[0].fresh.within: "soon" is no length of time`,
		"{name: \"a\\tb\", rule: \"true\", else: dead}":                                    "quality[0].name: must be one line of visible characters",
		"{name: a, rule: \"true\", else: dead}\n  - {name: a, rule: \"true\", else: warn}": `quality[1].name: there is a rule "a" already`,
	} {
		_, err := flow.Parse("t.yaml", []byte("flow: f\nfrom: s\nquality:\n  - "+rule+"\ntarget: {kind: mysql, connection: bi, message: m}\nmap: {a: record.a}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", rule, err, want)
		}
	}
}

func TestQuiet(t *testing.T) {
	const text = "source: s\nconnection: c\nfeed: jushuitan.purchasein\nevery: 5m\nstart: 2025-01-01\nquiet: "
	docs, err := flow.Parse("t.yaml", []byte(text+"2d\n"))
	if err != nil || docs[0].Source.Quiet != 48*time.Hour {
		t.Errorf("%+v, %v", docs, err)
	}
	for _, wrong := range []string{"29d", "10s", "never"} {
		if _, err := flow.Parse("t.yaml", []byte(text+wrong+"\n")); err == nil || !strings.Contains(err.Error(), "t.yaml:6:8: quiet:") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
