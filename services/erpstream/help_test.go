package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestHelpFunctions(t *testing.T) {
	tests := []struct {
		args string
		code int
		want []string
	}{
		{"help functions", 0, []string{"Numbers 数字", "  round", "rounds to so many digits", "Lists and lines 列表与明细"}},
		{"help functions round", 0, []string{"round (x, digits[, mode]) → decimal", "(四舍五入)", "round(record.freight, 2)\n      = -2.35", `"freight": -2.345`}},
		{"help functions unix", 0, []string{"unix (x) → int"}},
		{"help functions between", 0, []string{"days_between", "seconds_between"}},
		{"help functions rond", 2, []string{`there is no function "rond"`, "Did you mean round?"}},
		{"help functions a b", 2, []string{"one name at most"}},
		{"help apply", 0, []string{"apply reads YAML documents"}},
		{"help", 0, []string{"Available Commands"}},
		{"help nothing", 2, []string{`there is no command "nothing"`}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		code := execute(t.Context(), strings.Fields(tt.args), &out, &out)
		for _, want := range tt.want {
			if code != tt.code || !strings.Contains(out.String(), want) {
				t.Errorf("%s: code %d\n%s\nwant %d and %s", tt.args, code, out.String(), tt.code, want)
			}
		}
	}
}

func TestHelpFunctionsAsJSON(t *testing.T) {
	var out bytes.Buffer
	if code := execute(t.Context(), []string{"help", "functions", "sum", "--json"}, &out, &out); code != 0 {
		t.Fatal(out.String())
	}
	var got catalog
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Functions) != 1 || got.Functions[0].Examples[0].Result != "6.5" || len(got.Record) < 100 {
		t.Errorf("%v: %s", err, out.String())
	}
}
