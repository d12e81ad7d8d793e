package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/scale/chart"
)

func TestTextShowsThePeakOfEachPart(t *testing.T) {
	var b strings.Builder
	chart.Text(&b, 4, chart.Series{Name: "x", Values: []float64{0, 1, 0, 0, 7, 0, 3, 3}}, chart.Series{Name: "none", Values: []float64{1e-9, 0, 0, 0}})
	want := "  x            ▂▁█▄ 7\n  none         ▁▁▁▁ 0\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestSVGIsWellFormed(t *testing.T) {
	var b bytes.Buffer
	if err := chart.SVG(&b, "a < b", 24, chart.Series{Name: "x & y", Values: []float64{0, 2, 1}}, chart.Series{Name: "empty"}); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 950: "950", 12345: "12.3k", 4.56e6: "4.56M", 2e9: "2G"} {
		if got := chart.Short(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
