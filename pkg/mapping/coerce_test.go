package mapping

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
)

// one is a mapping of a single field.
func one(name, text string) Spec {
	return Spec{Fields: []Field{{Name: name, Path: "map." + name, Value: Expr{Text: text, Path: "map." + name}}}}
}

// result is the message of a record as JSON without spaces, or why there is none.
type result struct {
	message string
	err     error
}

// apply maps one record and returns what comes of it.
func apply(t *testing.T, spec Spec, body string, forceCEL bool) result {
	t.Helper()
	md := everything(t)
	m, issues := compile(spec, md, forceCEL)
	if len(issues) > 0 {
		t.Fatalf("compile: %v", issues)
	}
	applied, err := m.Apply(record.Envelope{Key: "k", Source: "s", Version: 7}, []byte(body), nil)
	if err != nil {
		return result{err: err}
	}
	msg := dynamicpb.NewMessage(md)
	if err := proto.Unmarshal(applied.Body, msg); err != nil {
		t.Fatal(err)
	}
	return result{message: strings.ReplaceAll(protojson.MarshalOptions{UseProtoNames: true}.Format(msg), " ", "")}
}

func TestPathsAreCoerced(t *testing.T) {
	tests := []struct {
		field, json, want, err string
	}{
		{"i32", `1`, `{"i32":1}`, ""},
		{"i32", `2147483648`, "", "out of the range of int32"},
		{"i64", `9007199254740993`, `{"i64":"9007199254740993"}`, ""},
		{"i64", `2.0`, `{"i64":"2"}`, ""},
		{"i64", `2e0`, `{"i64":"2"}`, ""},
		{"i64", `"2.0000"`, `{"i64":"2"}`, ""},
		{"i64", `" 17 "`, `{"i64":"17"}`, ""},
		{"i64", `"+5"`, `{"i64":"5"}`, ""},
		{"i64", `-0`, `{"i64":"0"}`, ""},
		{"i64", `2.5`, "", "record.x: a number has a fraction"},
		{"i64", `"2.5"`, "", "record.x: text has a fraction"},
		{"i64", `9223372036854775808`, "", "out of the range of int64"},
		{"i64", `1e400`, "", "more than 200 digits"},
		{"i64", `1e999999999`, "", "more than 200 digits"},
		{"i64", `"abc"`, "", "record.x: text is not a number"},
		{"i64", `true`, "", "a boolean is not a number"},
		{"i64", `{}`, "", "an object is not a number"},
		{"i64", `""`, `{}`, ""},
		{"i64", `null`, `{}`, ""},
		{"u32", `4294967295`, `{"u32":4294967295}`, ""},
		{"u32", `-1`, "", "out of the range of uint32"},
		{"u64", `18446744073709551615`, `{"u64":"18446744073709551615"}`, ""},
		{"flag", `true`, `{"flag":true}`, ""},
		{"flag", `0`, `{"flag":false}`, ""},
		{"flag", `1`, `{"flag":true}`, ""},
		{"flag", `"True"`, `{"flag":true}`, ""},
		{"flag", `"yes"`, "", "text is not true, false, 1 or 0"},
		{"flag", `2`, "", "a number is not true"},
		{"flag", `""`, `{}`, ""},
		{"text", `"as it is "`, `{"text":"asitis"}`, ""},
		{"text", `""`, `{"text":""}`, ""},
		{"text", `0.10`, `{"text":"0.10"}`, ""},
		{"text", `12345678901234567890.123`, `{"text":"12345678901234567890.123"}`, ""},
		{"text", `1E+2`, `{"text":"1E+2"}`, ""},
		{"text", `false`, `{"text":"false"}`, ""},
		{"text", `null`, `{}`, ""},
		{"text", `{"a":1}`, "", "an object is not text"},
		{"text", `[1]`, "", "a list is not text"},
		{"amount", `2.50`, `{"amount":"2.50"}`, ""},
		{"amount", `1E+2`, `{"amount":"100"}`, ""},
		{"amount", `1.50e1`, `{"amount":"15.0"}`, ""},
		{"amount", `1e-3`, `{"amount":"0.001"}`, ""},
		{"amount", `"2.0000"`, `{"amount":"2.0000"}`, ""},
		{"amount", `"007.5"`, `{"amount":"7.5"}`, ""},
		{"amount", `".5"`, `{"amount":"0.5"}`, ""},
		{"amount", `"-.5"`, `{"amount":"-0.5"}`, ""},
		{"amount", `12345678901234567890.123`, `{"amount":"12345678901234567890.123"}`, ""},
		{"amount", `""`, `{}`, ""},
		{"amount", `"1,000"`, "", "amount: record.x: text is not a number"},
		{"amount", `true`, "", "a boolean is not a number"},
		{"color", `"COLOR_RED"`, `{"color":"COLOR_RED"}`, ""},
		{"color", `""`, `{}`, ""},
		{"color", `"red"`, "", "text is no name of a value of Color"},
		{"color", `1`, "", "a number is not the name"},
	}
	for _, tt := range tests {
		for _, forceCEL := range []bool{false, true} {
			got := apply(t, one(tt.field, "record.x"), `{"x":`+tt.json+`}`, forceCEL)
			check(t, tt.field+" = "+tt.json, got, tt.want, tt.err)
		}
	}
}

func check(t *testing.T, what string, got result, want, wantErr string) {
	t.Helper()
	switch {
	case wantErr == "" && (got.err != nil || got.message != want):
		t.Errorf("%s: %s, %v; want %s", what, got.message, got.err, want)
	case wantErr != "" && (got.err == nil || !strings.Contains(got.err.Error(), wantErr)):
		t.Errorf("%s: %s, %v; want error %q", what, got.message, got.err, wantErr)
	case wantErr != "" && !fault.IsPermanent(got.err):
		t.Errorf("%s: error %v is not permanent", what, got.err)
	}
}

func TestPathsLead(t *testing.T) {
	const body = `{"a":{"b":[{"c":"deep"},[1,2]],"d-e":"quoted","package":"p"},"n":null,"s":"text"}`
	tests := []struct{ path, want, err string }{
		{`record.a.b[0].c`, `{"text":"deep"}`, ""},
		{`record["a"]["d-e"]`, `{"text":"quoted"}`, ""},
		{`record.a.package`, `{"text":"p"}`, ""},
		{`record.a.b[1][1]`, `{"text":"2"}`, ""},
		{`record.a.b[7].c`, `{}`, ""},
		{`record.none.b[0].c`, `{}`, ""},
		{`record.n.b.c`, `{}`, ""},
		{`record.s.b`, "", "record.s is text"},
		{`record.a.b.c`, "", "record.a.b is a list"},
		{`record.a[0]`, "", "record.a is an object"},
	}
	for _, tt := range tests {
		for _, forceCEL := range []bool{false, true} {
			got := apply(t, one("text", tt.path), body, forceCEL)
			check(t, tt.path, got, tt.want, tt.err)
		}
	}
}
