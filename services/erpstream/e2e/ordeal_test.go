package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/topology"
)

// scenario is one kind of trouble.
type scenario struct {
	name string
	// args are those of up and sandbox those of its sandbox; edits change its configuration.
	args    []string
	sandbox []string
	edits   []edit
	// disk, if any, makes the disk of the NATS servers.
	disk func(*testing.T) *disk
	// prepare, if any, is called before up starts.
	prepare func(*ordeal)
	// strike makes trouble once; it is called again and again, with pauses of between least and most, for
	// as long as documents are edited. Without it the sandbox alone makes trouble.
	strike      func(*ordeal)
	least, most time.Duration
	// strikes is how often it strikes at least; 0: as often as the edits last.
	strikes int
	// verdict compares; without it all targets are compared.
	verdict func(*ordeal) *verdict
	// forgetful servers may forget how far a consumer is: then the watchdog may have something to mend.
	forgetful bool
}

// ordeal is one run of a scenario: everything on a cluster, with trouble while documents come and are
// edited, then quiet until all accounts balance.
type ordeal struct {
	*house
	scenario
	seed  uint64
	dice  *rand.Rand
	js    jetstream.JetStream
	watch *watch
	// kills are by SIGKILL; hits are all faults that struck while documents were on their way.
	kills, hits int
	// turn counts the strikes of a scenario that takes its troubles in turn, moved what was counted so far.
	turn, moved int
	// db is the database of a run with one of its own, power the disk of the servers, deaths are those at
	// seams, and changed is when flows were changed last.
	db      *database
	power   *disk
	deaths  *deaths
	changed time.Time
}

// plagueMost bounds the troubled part of a run.
const plagueMost = 3 * time.Minute

// Documents and edits of each feed in a run; the edits go on for so long that the faults have something
// to hit.
const (
	ordealRecords = 260
	ordealEdits   = 80
	ordealRate    = 4
)

// run goes through the ordeal and returns what came of it.
func (s scenario) run(t *testing.T, seed uint64) (r result) {
	o := &ordeal{scenario: s, seed: seed, dice: rand.New(rand.NewPCG(seed, 2026))}
	if s.disk == nil {
		o.house = newClustered(t, t.TempDir())
	} else {
		o.power = s.disk(t)
		o.house = newClustered(t, o.power.dir)
	}
	o.js = o.cluster.Connect()
	o.sandboxArgs = s.sandbox
	if s.prepare != nil {
		s.prepare(o)
	}
	args := append([]string{
		"--records", fmt.Sprint(ordealRecords), "--edits", fmt.Sprint(ordealEdits), "--edit-rate", fmt.Sprint(ordealRate),
		"--seed", fmt.Sprint(seed), "--timeout", chaosWait.String(), "--config", o.configuration(),
	}, s.args...)
	done := o.untilIdle(o.plague, args...)
	if done.code != 0 {
		t.Errorf("exit code %d\n%s", done.code, last(done.stderr, 6000))
	}
	if o.watch == nil {
		t.Fatal("it did not start")
	}
	v := o.judgement()
	o.audit(v)
	v.must(t)
	r = o.result(done, v)
	t.Logf("%d records, %d kills, %d faults, the sandbox's %v; compared %v", r.Records, r.Kills, r.Faults, o.watch.seen().kinds, v.expected)
	if r.Records < leastRecords || r.Faults < leastFaults {
		t.Errorf("it shows nothing: %d records and %d faults while they were on their way, want %d and %d", r.Records, r.Faults, leastRecords, leastFaults)
	}
	if t.Failed() {
		o.keepLog(done.stderr)
	}
	return r
}

// What a run must have had to count.
const (
	leastRecords = 1000
	leastFaults  = 5
)

// configuration is the shipped one with the changes of the scenario, and with sinks that ask for a bill
// soon after its answer was lost.
func (o *ordeal) configuration() string {
	settings := "settings:\n  booking_longest: 5s\n  booking_settle: 1s"
	return configCopy(o.t, append([]edit{
		{"connections/kd-main.yaml", "settings:", settings},
		{"connections/kis-main.yaml", "settings:", settings},
	}, o.scenario.edits...)...)
}

// plague makes trouble until the edits are over.
func (o *ordeal) plague() {
	sandbox := o.sandboxPages()
	if o.over() {
		return
	}
	o.watch = newWatch(o.t, o.js, sandbox)
	o.moves(o.js)
	end := time.Now().Add(plagueMost)
	for struck := 0; !o.over() && time.Now().Before(end); struck++ {
		if seen := o.watch.seen(); seen.edits == 0 && struck >= o.strikes {
			return
		}
		pause := o.least + time.Duration(o.dice.Int64N(int64(max(o.most-o.least, time.Millisecond))))
		<-time.After(max(pause, lookEvery))
		if o.strike != nil {
			o.strike(o)
		}
	}
}

// sandboxPages waits until everything was started and returns the index of the sandbox's pages.
func (o *ordeal) sandboxPages() (pages string) {
	eventually(o.t, func() error {
		for _, line := range lines(o.said.String(), `"msg":"up"`) {
			var up struct{ Sandbox string }
			if err := json.Unmarshal([]byte(line), &up); err == nil {
				pages = up.Sandbox
			}
		}
		if pages == "" && !o.over() {
			return fmt.Errorf("not up:\n%s", last(o.said.String(), 2000))
		}
		return nil
	})
	return pages
}

// hit notes that a part was struck just now. It counts when documents were on their way.
func (o *ordeal) hit(part string) {
	if o.watch.seen().working() {
		o.hits++
		o.watch.wound(part)
	}
}

// killed sends SIGKILL to a service, if it runs.
func (o *ordeal) killed(service string) {
	if o.kill(service) {
		o.kills++
		o.hit(service)
	}
}

// services are those that run, of which one can be killed.
func (o *ordeal) services() []string {
	files, _ := filepath.Glob(filepath.Join(o.data, "run", "*.pid"))
	var names []string
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".pid"); name != "sandbox" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// oneOf throws the dice.
func oneOf[E any](o *ordeal, all []E) E { return all[o.dice.IntN(len(all))] }

func (o *ordeal) judgement() *verdict {
	if o.db != nil {
		o.db.proxy.calm()
	}
	if o.verdict != nil {
		return o.verdict(o)
	}
	return o.judge(o.held(bookPages...))
}

// audit asks the ledger, too: it must miss nothing.
func (o *ordeal) audit(v *verdict) {
	cmd := exec.CommandContext(o.t.Context(), filepath.Join(binaries, "erpstream"), "audit", "--nats", o.cluster.URL())
	if out, err := cmd.CombinedOutput(); err != nil {
		v.fault("erpstream audit: %v\n%s", err, last(string(out), 3000))
	}
	o.unmended(v)
}

// unmended wants the watchdog to have had nothing to mend, unless the servers lost what they knew: a
// consumer that left records out is a fault, though they came in the end.
func (o *ordeal) unmended(v *verdict) {
	events, err := o.js.Stream(o.t.Context(), topology.Events)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, kind := range []string{"position-lost", "position-ghost", "records-gone"} {
		msg, err := events.GetLastMsgForSubject(o.t.Context(), topology.EventSubject(event.Critical, kind))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			o.t.Fatal(err)
		case o.forgetful:
			o.t.Logf("mended by the watchdog: %s", msg.Data)
		default:
			v.fault("the watchdog had to mend: %s", msg.Data)
		}
	}
}

// result adds up a run.
func (o *ordeal) result(done run, v *verdict) result {
	r := result{
		Scenario: o.name, Seeds: []uint64{o.seed}, Kills: o.kills, Faults: o.hits,
		Missing: v.missing, Duplicated: v.duplicated, Wrong: v.wrong,
	}
	for _, a := range done.report.Flows {
		r.Records += a.Published
		r.Superseded += a.Superseded
	}
	o.watch.mu.Lock()
	r.Faults += o.watch.hits
	r.recoveries = o.watch.recoveries
	o.watch.mu.Unlock()
	r.deliveries, r.messages = o.deliveries()
	return r
}

// deliveries counts how often messages were given to the sinks, and the messages.
func (o *ordeal) deliveries() (deliveries, messages uint64) {
	o.cluster.Start()
	eventually(o.t, func() error {
		ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Second)
		defer cancel()
		deliveries = 0
		stream, err := o.js.Stream(ctx, topology.Target)
		if err != nil {
			return err
		}
		messages = stream.CachedInfo().State.Msgs
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			deliveries += info.Delivered.Consumer
		}
		return list.Err()
	})
	return deliveries, messages
}

// keepLog keeps what the programs said in a run that failed.
func (o *ordeal) keepLog(text string) {
	file, err := os.CreateTemp(filepath.Join("..", "..", "..", "build"), "chaos-*.log")
	if err != nil {
		o.t.Log(err)
		return
	}
	defer func() { _ = file.Close() }()
	_, _ = file.WriteString(text)
	o.t.Logf("what the programs said is in %s", file.Name())
}

// order tells the sandbox to do something.
func (o *ordeal) order(page, body string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.watch.sandbox+page, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Logf("order %s: %v", page, err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		o.t.Errorf("order %s: %s", page, resp.Status)
	}
}
