package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/flowtest"
)

// flowTester is what `erpstream flow test` is asked.
type flowTester struct {
	config, run, junit                 string
	asJSON, verbose, update, uncovered bool
	least                              int
}

func newFlowTest(string, *natsServer) *cobra.Command {
	var t flowTester
	cmd := &cobra.Command{
		Use:   "test FILE|DIR…",
		Short: "Run the tests of flows, without NATS",
		Long: `test runs the tests (测试用例) of flows: a record in, and the message that is expected, or that the record is
filtered, dropped, parked or dead. Nothing is stored and no server is asked.

Tests are a document of their own, "tests: FLOW", after --- in the file of the flow or in a file beside
it; apply leaves them out. Given a flow, test finds its tests; given tests, it finds their flow. What a
flow refers to is read from --config: by default the folder of FILE, and the one above it where that is
named flows, sources, connections or tests.

  tests: jst-shops-to-kingdee
  cases:
    - name: a shop is a customer
      record: {shop_id: 10001, shop_name: 旗舰店}
      message:                    # all fields; contains: some of them
        number: "10001"
        name: 旗舰店
    - name: the pseudo shop is nobody's customer
      record: {shop_id: 0}
      filtered: true              # or dropped: RULE, dead: TEXT, parked: {collection: …}

--update writes the messages that came out into the tests that expect others or nothing yet; read the
difference before you keep it. --coverage names the target fields that no test expects, and the rules,
filters and look-ups that no test tries.

It exits with 1 when a test fails or coverage is too low, with 2 when a document is wrong.`,
		Example: `  erpstream flow test deploy/config/flows/jst-shops-to-kingdee.yaml
  erpstream flow test deploy/config --coverage --min-coverage 90 --junit report.xml
  erpstream flow test shops.yaml --run 'pseudo|gone' --update`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.test(cmd.InOrStdin(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.config, "config", "", "folder with what the flows refer to")
	f.StringVar(&t.run, "run", "", "run only the tests whose name matches this regular expression")
	f.BoolVar(&t.update, "update", false, "write the messages that came out into the tests")
	f.BoolVar(&t.uncovered, "coverage", false, "name what no test expects")
	f.IntVar(&t.least, "min-coverage", 0, "fail when the tests of a flow expect less than this percentage of its target fields")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "name the tests that passed too")
	f.BoolVar(&t.asJSON, "json", false, "print as JSON")
	f.StringVar(&t.junit, "junit", "", "write a JUnit report into this file")
	return cmd
}

func (t flowTester) test(stdin io.Reader, out io.Writer, args []string) error {
	only, err := regexp.Compile(t.run)
	if err != nil {
		return misuse{fmt.Errorf("--run: %w", err)}
	}
	if t.run != "" && t.least > 0 {
		return misuse{errors.New("--min-coverage needs all tests: leave --run out")}
	}
	reports, err := t.reports(stdin, args, only)
	if err != nil {
		return misuse{err}
	}
	if t.update {
		if err := updateTests(out, reports); err != nil {
			return err
		}
		if reports, err = t.reports(stdin, args, only); err != nil {
			return err
		}
	}
	if err := t.write(out, reports); err != nil {
		return err
	}
	return t.verdict(reports)
}

// reports runs the tests that the files hold or are about.
func (t flowTester) reports(stdin io.Reader, args []string, only *regexp.Regexp) ([]flowtest.FlowReport, error) {
	found, err := gather(stdin, args, t.config)
	if err != nil {
		return nil, err
	}
	var reports []flowtest.FlowReport
	var errs []error
	for _, name := range found.flows() {
		f, ok := found.set.Flows[name]
		if !ok {
			tests := found.tests[name][0]
			err := tests.Tests.Fault(tests.Tests.At(), "tests", "unknown flow %q%s", name, flow.DidYouMean(name, found.set.Names(flow.KindFlow)))
			errs = append(errs, errors.Join(err, found.unread))
			continue
		}
		prepared, err := flowtest.Prepare(found.set, f, found.tests[name], only)
		if err != nil {
			errs = append(errs, errors.Join(err, found.unread))
			continue
		}
		reports = append(reports, prepared.Run())
	}
	return reports, errors.Join(errs...)
}

func (t flowTester) write(out io.Writer, reports []flowtest.FlowReport) error {
	if t.junit != "" {
		var b bytes.Buffer
		if err := flowtest.WriteJUnit(&b, reports); err != nil {
			return err
		}
		if err := os.WriteFile(t.junit, b.Bytes(), 0o644); err != nil { //nolint:gosec // a report for whoever runs the tests, without data
			return err
		}
	}
	if t.asJSON {
		return printJSON(out, reports)
	}
	return flowtest.WriteText(out, reports, t.verbose, t.uncovered)
}

// verdict is nil when all is as it should be.
func (t flowTester) verdict(reports []flowtest.FlowReport) error {
	var errs []error
	failed, all := 0, 0
	for _, r := range reports {
		failed, all = failed+r.Failed, all+len(r.Tests)
	}
	if failed > 0 {
		errs = append(errs, fmt.Errorf("%d of %d tests failed", failed, all))
	}
	if all == 0 {
		errs = append(errs, errors.New("no test was run: write a document `tests: FLOW` in the file of the flow or beside it"))
	}
	for _, r := range reports {
		if r.Coverage.Percent < t.least {
			errs = append(errs, fmt.Errorf("the tests of %s expect %d %% of its target fields, less than %d %%: --coverage names the others", r.Flow, r.Coverage.Percent, t.least))
		}
	}
	return errors.Join(errs...)
}

// updateTests writes into the files what the tests are to expect.
func updateTests(out io.Writer, reports []flowtest.FlowReport) error {
	files := map[string]bool{}
	for _, r := range reports {
		for _, t := range r.Tests {
			files[t.File] = true
		}
	}
	for _, file := range sorted(files) {
		if file == "-" {
			return misuse{errors.New("--update can't write to standard input: name the file")}
		}
		text, err := os.ReadFile(file) //nolint:gosec // the file that the operator names
		if err != nil {
			return err
		}
		updated, changed, err := flowtest.Update(file, text, reports)
		if err != nil {
			return err
		}
		if changed == 0 {
			continue
		}
		if err := replaceFile(file, updated); err != nil {
			return err
		}
		fmt.Fprintf(out, "updated %s in %s\n", flowtest.Count(changed, "test"), file)
	}
	return nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, text []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(info.Mode().Perm()), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}

func sorted(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
