// Package flowtest runs the tests of flows: records through the mapping, without NATS, and what comes out
// beside what is expected.
package flowtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// maxRecord is the largest file with a record, in bytes.
const maxRecord = 8 << 20

// Flow is a flow with its tests, ready to run.
type Flow struct {
	flow  flow.Flow
	judge verdict.Judge
	mt    protoreflect.MessageType
	cases []testCase
}

// testCase is one test, ready to run.
type testCase struct {
	test     flow.Test
	file     string
	envelope record.Envelope
	body     []byte
	lookup   references
	// want is the message that is expected, nil where none is, lines where its fields stand.
	want  protoreflect.Message
	lines map[string]int
}

// Prepare compiles a flow and reads its tests, those whose names match only where that is given. set
// holds the documents that the flow refers to. The error joins all faults as *flow.Error.
func Prepare(set flow.Set, f flow.Flow, tests []flow.Document, only *regexp.Regexp) (Flow, error) {
	judge, err := verdict.New(set, f)
	if err != nil {
		return Flow{}, err
	}
	mt, err := contract.Message(f.Target.Message)
	if err != nil {
		return Flow{}, f.Fault("target.message", "%v", err)
	}
	prepared := Flow{flow: f, judge: judge, mt: mt}
	var errs []error
	for _, d := range tests {
		errs = append(errs, prepared.checkReferences(*d.Tests, d.Tests.References)...)
		for _, t := range d.Tests.Cases {
			if only != nil && !only.MatchString(t.Name) {
				continue
			}
			c, faults := prepared.prepare(d, t)
			errs = append(errs, faults...)
			prepared.cases = append(prepared.cases, c)
		}
	}
	return prepared, errors.Join(errs...)
}

func (f Flow) prepare(d flow.Document, t flow.Test) (testCase, []error) {
	errs := f.checkReferences(*d.Tests, t.References)
	fail := func(at spec.Pos, path, format string, args ...any) {
		errs = append(errs, d.Tests.Fault(at, path, format, args...))
	}
	c := testCase{test: t, file: d.File, lookup: newReferences(d.Tests.References, t.References)}
	body, err := f.body(d.File, t)
	if err != nil {
		fail(t.At, t.Path+".record_file", "%v", err)
	}
	c.body, c.envelope = body, f.envelope(t, body)
	n := t.Want.Message
	if n == nil {
		n = t.Want.Contains
	}
	if n != nil {
		x := expected{zone: f.judge.Feed.Location(), fail: fail, lines: map[string]int{}}
		c.want, c.lines = f.mt.New(), x.lines
		x.message(*n, c.want, "")
	}
	return c, errs
}

// body is the record as the vendor would say it.
func (Flow) body(file string, t flow.Test) ([]byte, error) {
	if t.Record != nil && t.Record.Kind == flow.TextNode {
		return []byte(t.Record.Text), nil
	}
	if t.Record != nil {
		return t.Record.JSON(), nil
	}
	in, err := os.Open(filepath.Join(filepath.Dir(file), t.RecordFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	body, err := io.ReadAll(io.LimitReader(in, maxRecord+1))
	if err == nil && len(body) > maxRecord {
		err = fmt.Errorf("%s is larger than %d bytes", t.RecordFile, maxRecord)
	}
	return body, err
}

// envelope says of a record what the test says, else what the poller would.
func (f Flow) envelope(t flow.Test, body []byte) record.Envelope {
	e := f.judge.Envelope(body)
	e.Read = t.Read
	if t.Key != "" {
		e.Key = t.Key
	}
	if !t.Time.IsZero() {
		e.Time, e.Version = t.Time, t.Time.UnixMilli()
	}
	if t.Version != 0 {
		e.Version = t.Version
	}
	return e
}

// Run runs the tests.
func (f Flow) Run() FlowReport {
	report := FlowReport{Flow: f.flow.Name, Tests: []TestReport{}}
	covered := newCoverage(f)
	for _, c := range f.cases {
		began := time.Now()
		v := f.judge.Of(c.envelope, c.body, c.lookup)
		one := f.compare(c, v)
		one.took = time.Since(began)
		if one.Passed {
			covered.add(c, v)
		} else {
			report.Failed++
		}
		report.Tests = append(report.Tests, one)
	}
	report.Coverage = covered.report()
	return report
}

// compare says how what came out differs from what was expected.
func (f Flow) compare(c testCase, v verdict.Verdict) TestReport {
	t := TestReport{Name: c.test.Name, File: c.file, Line: c.test.At.Line, Want: wanted(c.test.Want), Got: describe(v), test: c.test}
	if v.Kind == verdict.Mapped {
		m, err := fields.Decode(f.mt, v.Result.Body)
		if err != nil {
			t.Got = err.Error()
			return t
		}
		t.got, t.zone = m, f.judge.Feed.Location()
		if t.Message, err = (protojson.MarshalOptions{UseProtoNames: true}).Marshal(m.Interface()); err != nil {
			t.Got = err.Error()
			return t
		}
	}
	t.Warnings = v.Result.Warnings
	switch w := c.test.Want; {
	case w.Message != nil && t.got != nil:
		t.note(fields.Compare(c.want, t.got, t.zone), c.lines)
		t.Passed = len(t.Changes) == 0
	case w.Contains != nil && t.got != nil:
		t.note(fields.Missing(c.want, t.got, t.zone), c.lines)
		t.Passed = len(t.Changes) == 0
	case w.Filtered:
		t.Passed = v.Kind == verdict.Filtered
	case w.Dropped != "":
		t.Passed = v.Kind == verdict.Dropped && strings.Contains(v.Why(), w.Dropped)
	case w.Dead != "":
		t.Passed = v.Kind == verdict.Dead && strings.Contains(v.Why(), w.Dead)
	case w.Parked != nil:
		t.Passed = v.Kind == verdict.Parked && waitsFor(v, *w.Parked)
	}
	t.lacks(c.test.Want.Warns)
	return t
}

// waitsFor reports whether a record waits for what was expected.
func waitsFor(v verdict.Verdict, want flow.ParkedTest) bool {
	if v.Held != nil || want.Rule != "" {
		return v.Held != nil && v.Held.Rule == want.Rule
	}
	is := func(want, got string) bool { return want == "" || want == got }
	return is(want.Collection, v.Missing.Collection) && is(want.Field, v.Missing.Field) && is(want.Value, v.Missing.Value)
}

// describe says what came out.
func describe(v verdict.Verdict) string {
	if v.Missing != nil { // of a test's own data, so all of it is shown
		return fmt.Sprintf("parked: %s has no entry with %s %q", v.Missing.Collection, v.Missing.Field, v.Missing.Value)
	}
	if why := v.Why(); why != "" {
		return string(v.Kind) + ": " + why
	}
	return string(v.Kind)
}

// wanted says what is expected.
func wanted(w flow.Expectation) string {
	switch {
	case w.Message != nil:
		return "message"
	case w.Contains != nil:
		return "message with some fields"
	case w.Filtered:
		return "filtered"
	case w.Dropped != "":
		return "dropped: " + w.Dropped
	case w.Dead != "":
		return "dead: " + w.Dead
	case w.Parked == nil:
		return ""
	case w.Parked.Rule != "":
		return "parked by rule " + w.Parked.Rule
	case w.Parked.Field == "":
		return "parked: " + w.Parked.Collection
	default:
		return fmt.Sprintf("parked: %s has no entry with %s %q", w.Parked.Collection, w.Parked.Field, w.Parked.Value)
	}
}
