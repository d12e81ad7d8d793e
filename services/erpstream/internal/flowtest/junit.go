package flowtest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr"`
	Line      int           `xml:"line,attr"`
	Time      string        `xml:"time,attr"`
	Failure   *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes reports as JUnit XML, which CI systems show: a suite for each flow.
func WriteJUnit(out io.Writer, reports []FlowReport) error {
	var all junitSuites
	var total time.Duration
	for _, r := range reports {
		suite := junitSuite{Name: r.Flow, Tests: len(r.Tests), Failures: r.Failed}
		var took time.Duration
		for _, t := range r.Tests {
			suite.Cases = append(suite.Cases, t.junit(r.Flow))
			took += t.took
		}
		suite.Time = seconds(took)
		all.Suites = append(all.Suites, suite)
		all.Tests, all.Failures, total = all.Tests+suite.Tests, all.Failures+suite.Failures, total+took
	}
	all.Time = seconds(total)
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, xml.Header+string(text)+"\n")
	return err
}

func (t TestReport) junit(flow string) junitCase {
	c := junitCase{Name: t.Name, ClassName: flow, File: t.File, Line: t.Line, Time: seconds(t.took)}
	if !t.Passed {
		text := t.failure()
		first, _, _ := strings.Cut(text, "\n")
		c.Failure = &junitFailure{Message: first, Text: fmt.Sprintf("%s:%d\n%s", t.File, t.Line, text)}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
