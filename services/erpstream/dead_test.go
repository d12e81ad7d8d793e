package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

const returnsFlow = `source: returns
connection: jst
feed: jushuitan.otherin
every: 5m
start: 2026-01-01
---
flow: to-bi
from: returns
target: {kind: mysql, connection: bi, message: erpstream.mysql.v1.PurchaseIn}
map: {io_id: record.io_id}
`

// withLetters returns the address of a server with a flow and letters 1 to n of it.
func withLetters(t *testing.T, n int) (string, jetstream.JetStream) {
	t.Helper()
	url, js := natsURL(t)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "apply", "--nats", url, write(t, "docs.yaml", goodConnections+"---\n"+returnsFlow)); code != 0 {
		t.Fatal(stderr)
	}
	for i := 1; i <= n; i++ {
		die(t, js, i)
	}
	return url, js
}

// returned is a record with personal data.
func returned(id int) string {
	return fmt.Sprintf(`{"io_id":%d,"ts":17,"modified":"2026-01-02 03:04:05","receiver_name":"王小明","qty":1.50}`, id)
}

// die buries a record.
func die(t *testing.T, js jetstream.JetStream, id int) {
	t.Helper()
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "returns", fmt.Sprint(id)))
	msg.Header = record.Envelope{
		ID: fmt.Sprintf("returns/%d/17/x", id), Source: "returns", Type: "jushuitan.otherin", Key: fmt.Sprint(id), Version: 1767294245000, Time: time.Now(),
	}.Header()
	msg.Data = []byte(returned(id))
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	cons, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPolicy, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	delivered, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	why := fault.Permanent("quality", errors.New("质量规则\x1b[2J: qty > 2: not so"))
	if err := dead.Bury(t.Context(), js, dead.Letter{Stage: dead.Transform, Flow: "to-bi", RawSequence: uint64(id), Reason: why, Message: delivered}); err != nil {
		t.Fatal(err)
	}
}

// does runs a command that must end with a code and say some words.
func does(t *testing.T, code int, want string, args ...string) string {
	t.Helper()
	got, stdout, stderr := run(t, args...)
	if got != code || !strings.Contains(stdout+stderr, want) {
		t.Errorf("%s: exit code %d, want %d with %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
	}
	return stdout
}

func waiting(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Parked)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestDeadListAndShow(t *testing.T) {
	url, _ := withLetters(t, 3)
	list := does(t, 0, "quality", "dead", "list", "--nats", url)
	if lines := strings.Split(strings.TrimSpace(list), "\n"); len(lines) != 7 || !strings.HasPrefix(lines[1], "1 ") || !strings.HasSuffix(lines[1], "质量规则 [2J: qty > 2: not so") || !strings.HasPrefix(lines[6], "3 ") {
		t.Errorf("list:\n%s", list)
	}
	if strings.Contains(list, "\x1b") {
		t.Error("a vendor's text moves the cursor")
	}
	does(t, 0, "1 of 3 are shown", "dead", "list", "--limit", "1", "--nats", url)
	does(t, 0, "no letters", "dead", "list", "--flow", "other", "--nats", url)
	does(t, 0, "no letters", "dead", "list", "--since", "0s", "--nats", url)
	var counts []struct {
		Letters            int
		Flow, Class, State string
	}
	if err := json.Unmarshal([]byte(does(t, 0, "", "dead", "list", "--summary", "--json", "--nats", url)), &counts); err != nil || len(counts) != 1 || counts[0].Letters != 3 || counts[0].State != "open" {
		t.Errorf("%+v, %v", counts, err)
	}
	lines := strings.Split(strings.TrimSpace(does(t, 0, "", "dead", "list", "--json", "--nats", url)), "\n")
	var first struct {
		Sequence      uint64
		Reason, State string
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 3 || first.Sequence != 1 || first.Reason != "质量规则\x1b[2J: qty > 2: not so" {
		t.Errorf("%d lines, %+v, %v", len(lines), first, err)
	}

	masked := does(t, 0, `"receiver_name": "***"`, "dead", "show", "2", "--nats", url)
	if strings.Contains(masked, "王小明") || strings.Contains(masked, "\x1b") || !strings.Contains(masked, `"qty": 1.50`) {
		t.Errorf("show:\n%s", masked)
	}
	does(t, 0, "王小明", "dead", "show", "2", "--personal", "--nats", url)
	does(t, 0, `"receiver_name": "***"`, "dead", "show", "2", "--json", "--nats", url)
	does(t, 1, "there is no letter 9", "dead", "show", "9", "--nats", url)
}

func TestDeadIsMisused(t *testing.T) {
	url, js := withLetters(t, 1)
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"is no number", []string{"show", "one"}},
		{"which letters?", []string{"replay"}},
		{"not both", []string{"replay", "1", "--open"}},
		{"--yes", []string{"replay", "--open"}},
		{"--yes", []string{"drop", "--flow", "to-bi", "--reason", "x"}},
		{"--reason is missing", []string{"drop", "1"}},
		{"--rate", []string{"replay", "1", "--rate", "0"}},
		{"is none", []string{"list", "--stage", "x"}},
		{"is no time", []string{"list", "--since", "x"}},
		{"no name of a flow", []string{"list", "--flow", "a.*"}},
		{"--body is missing", []string{"edit", "1"}},
		{"--all goes with a filter", []string{"export", "1", "--all"}},
	} {
		does(t, 2, tt.want, append(append([]string{"dead"}, tt.args...), "--nats", url)...)
	}
	if waiting(t, js) > 0 {
		t.Error("what was misused did something")
	}
}

func TestDeadReplay(t *testing.T) {
	url, js := withLetters(t, 4)
	does(t, 0, "4 of 4 letters to be replayed", "dead", "replay", "--open", "--dry-run", "--nats", url)
	if waiting(t, js) > 0 {
		t.Error("a dry run replayed something")
	}
	does(t, 0, "1 of 1 letters replayed", "dead", "replay", "3", "--by", "li", "--nats", url)
	does(t, 0, "replayed by li", "dead", "replay", "3", "--nats", url)
	var result settled
	out := does(t, 0, "", "dead", "replay", "--flow", "to-bi", "--yes", "--rate", "1000", "--json", "--nats", url)
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Letters != 3 || result.Done != 3 || len(result.Failed) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if got := waiting(t, js); got != 4 {
		t.Errorf("%d records go on, want 4", got)
	}
	die(t, js, 9)
	does(t, 1, "there is no letter 99", "dead", "replay", "99", "8", "--nats", url)
}

func TestDeadDrop(t *testing.T) {
	url, _ := withLetters(t, 2)
	does(t, 0, "1 of 1 letters dropped", "dead", "drop", "1", "--reason", "一个测试", "--by", "li", "--nats", url)
	does(t, 0, "dropped by li", "dead", "show", "1", "--nats", url)
	does(t, 0, "dropped", "dead", "list", "--all", "--nats", url)
	does(t, 0, "1 of 1 letters dropped", "dead", "drop", "--class", "quality", "--reason", "x", "--yes", "--nats", url)
	does(t, 0, "no letters", "dead", "list", "--nats", url)
	does(t, 0, "1 of 1 letters replayed", "dead", "replay", "1", "--nats", url)
}

func TestDeadEdit(t *testing.T) {
	url, _ := withLetters(t, 1)
	body := write(t, "letter.json", strings.Replace(returned(1), "1.50", "2.50", 1))
	does(t, 0, "letter 2 is the edited form of letter 1", "dead", "edit", "1", "--body", body, "--reason", "misread", "--nats", url)
	does(t, 0, `"qty": 2.50`, "dead", "show", "2", "--nats", url)
	does(t, 1, "was edited by", "dead", "edit", "1", "--body", body, "--nats", url)
	does(t, 1, "nothing in it", "dead", "edit", "2", "--body", body, "--nats", url)
	other := write(t, "other.json", returned(2))
	does(t, 1, "key may not change", "dead", "edit", "2", "--body", other, "--nats", url)
	masked := write(t, "masked.json", strings.Replace(returned(1), "王小明", "***", 1))
	does(t, 1, "personal data", "dead", "edit", "2", "--body", masked, "--nats", url)
}

// TestDeadEditor edits with a program that needs nobody.
func TestDeadEditor(t *testing.T) {
	edited, err := editText(t.Context(), "sed -i s/1.50/2.50/", []byte(returned(1)))
	if err != nil || string(edited) != strings.Replace(returned(1), "1.50", "2.50", 1) {
		t.Errorf("%s, %v", edited, err)
	}
	if _, err := editText(t.Context(), "false", nil); err == nil {
		t.Error("an editor that failed edited something")
	}
	b := dead.Buried{Sequence: 1, Stage: dead.Transform, Kind: "jushuitan.otherin", Body: []byte(returned(1))}
	if text, err := (letterEditor{}).shown(b); err == nil {
		t.Errorf("the editor shows %s to whom did not ask for it", text)
	}
	if text, err := (letterEditor{personal: true}).shown(b); err != nil || !strings.Contains(string(text), "\n  \"qty\": 1.50\n") {
		t.Errorf("%s, %v", text, err)
	}
	b.Body = []byte(`{"io_id":1,"receiver_name":""}`)
	if text, err := (letterEditor{}).shown(b); err != nil || len(text) == 0 {
		t.Errorf("nothing in it is personal: %v", err)
	}
	b.Body = []byte(`{"receiver_name":"王`)
	if text, err := (letterEditor{}).shown(b); err == nil {
		t.Errorf("the editor shows %s", text)
	}
	if text, err := (letterEditor{personal: true}).shown(b); err != nil || !bytes.Equal(text, b.Body) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestDeadExport(t *testing.T) {
	url, _ := withLetters(t, 3)
	does(t, 0, "", "dead", "drop", "2", "--reason", "x", "--nats", url)
	for _, tt := range []struct {
		args    []string
		letters int
		shown   bool
	}{
		{nil, 2, false},
		{[]string{"--all"}, 3, false},
		{[]string{"--key", "3", "--personal"}, 1, true},
		{[]string{"2", "3"}, 2, false},
	} {
		out := does(t, 0, "", append(append([]string{"dead", "export"}, tt.args...), "--nats", url)...)
		if n := strings.Count(out, "\n"); n != tt.letters || strings.Contains(out, "王小明") != tt.shown {
			t.Errorf("export %v: %d letters:\n%s", tt.args, n, out)
		}
		for line := range bytes.Lines([]byte(out)) {
			var whole wholeLetter
			if err := json.Unmarshal(line, &whole); err != nil || whole.Headers[topology.HeaderDeadClass][0] != "quality" || !bytes.Contains(whole.Body, []byte(`"qty":1.50`)) {
				t.Errorf("%s, %v", line, err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "letters.jsonl")
	does(t, 0, "2 letters are in", "dead", "export", "-o", path, "--nats", url)
	does(t, 1, "exists", "dead", "export", "-o", path, "--nats", url)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read it", info.Mode(), err)
	}
}
