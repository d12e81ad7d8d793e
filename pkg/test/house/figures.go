//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"text/tabwriter"
	"time"
)

// stopSignal is how Kubernetes ends a pod.
const stopSignal = syscall.SIGTERM

// figures is what a run found.
type figures struct {
	Seconds float64  `json:"seconds"`
	Targets []target `json:"targets"`
	// Flows are those of the audit.
	Flows []account `json:"flows"`
	// Violations is how often NATS refused what a program did, Refused how many packets the policies kept from
	// ours; Ways were tried on purpose, and were open or closed as they should be.
	Violations int `json:"violations"`
	Refused    int `json:"packets_refused"`
	Ways       int `json:"ways_tried"`
	// JobRestarts is how often a container of the Job had to be started again.
	JobRestarts int `json:"job_restarts"`
	// Outstanding is how many documents and rows had not arrived when the first program was killed, EditsLeft how many
	// edits came after the last kill.
	Outstanding int    `json:"outstanding_at_first_kill"`
	EditsLeft   int    `json:"edits_after_kills"`
	Exports     int64  `json:"otlp_requests"`
	Kills       []span `json:"kills"`
	Peaks       []peak `json:"peaks"`
	Doctor      []struct {
		Check string `json:"check"`
		State string `json:"state"`
		Text  string `json:"text"`
	} `json:"doctor"`
}

// account is one flow of the audit.
type account struct {
	Flow       string `json:"flow"`
	Published  int64  `json:"published"`
	Delivered  int64  `json:"delivered"`
	Superseded int64  `json:"superseded"`
	Filtered   int64  `json:"filtered"`
	Dead       int64  `json:"dead"`
	Parked     int64  `json:"parked"`
	InFlight   int64  `json:"in_flight"`
	Missing    int64  `json:"missing"`
	Balanced   bool   `json:"balanced"`
}

type span struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// peak is the most memory that a pod had.
type peak struct {
	Pod   string `json:"pod"`
	Bytes int64  `json:"bytes"`
}

func (f *figures) kill(name string, back time.Duration) {
	f.Kills = append(f.Kills, span{name, back.Seconds()})
}

// verdict is the error of a run that did not show what it should.
func (f *figures) verdict() error {
	if f.Violations > 0 {
		return fmt.Errorf("NATS refused %d times what a program did: grep Violation in the logs", f.Violations)
	}
	if f.Refused > 0 {
		return fmt.Errorf("the policies refused %d packets of services: they need what they may not", f.Refused)
	}
	if f.Exports == 0 {
		return errors.New("no traces or metrics came to the collector")
	}
	return nil
}

// print writes the figures for people, and all of them to a file.
func (f *figures) print(out io.Writer, path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nTARGET\tEXPECTED\tMISSING\tDUPLICATED\tSTALE")
	for _, t := range f.Targets {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", t.Name, t.Expected, t.Missing, t.Duplicated, t.Stale)
	}
	fmt.Fprintln(table, "\nFLOW\tPUBLISHED\tDELIVERED\tSUPERSEDED\tFILTERED\tDEAD\tMISSING\tBALANCED")
	for _, a := range f.Flows {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%v\n", a.Flow, a.Published, a.Delivered, a.Superseded, a.Filtered, a.Dead, a.Missing, a.Balanced)
	}
	fmt.Fprintln(table, "\nKILLED\tREADY AGAIN")
	for _, k := range f.Kills {
		fmt.Fprintf(table, "%s\t%.1f s\n", k.Name, k.Seconds)
	}
	var memory int64
	for _, p := range f.Peaks {
		memory = max(memory, p.Bytes)
	}
	doctor := map[string]int{}
	for _, finding := range f.Doctor {
		doctor[finding.State]++
	}
	fmt.Fprintf(table, "\nrestarts of the Job\t%d\nviolations of permissions\t%d\npackets refused by policies\t%d\nways tried\t%d\ndocuments and rows to come at the first kill\t%d\nedits after the last kill\t%d\nrequests to the collector\t%d\nlargest pod\t%d MiB\ndoctor\t%v\ntime\t%.0f s\n",
		f.JobRestarts, f.Violations, f.Refused, f.Ways, f.Outstanding, f.EditsLeft, f.Exports, memory>>20, doctor, f.Seconds)
	return errors.Join(table.Flush(), os.WriteFile(path, append(text, '\n'), 0o644))
}
