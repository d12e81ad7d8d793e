package flow_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

const connections = `connection: jst-main
system: jushuitan
endpoint: https://openapi.jushuitan.com
---
connection: bi-main
system: mysql
endpoint: mysql://db:3306/bi
---
source: jst-purchasein
connection: jst-main
feed: jushuitan.purchasein
every: 5m
start: 2025-01-01
`

const shipped = "../../deploy/config/flows/jst-purchasein-to-mysql.yaml"

func parse(t testing.TB, text string) []flow.Document {
	t.Helper()
	documents, err := flow.Parse("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// faults returns each fault of an error on a line.
func faults(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var lines []string
	for _, one := range all {
		fault, ok := errors.AsType[*flow.Error](one)
		if !ok || fault.Line < 1 || fault.Column < 1 {
			t.Errorf("%v is no fault with a place", one)
		}
		lines = append(lines, one.Error())
	}
	return lines
}

func TestParseReadsAll(t *testing.T) {
	documents := parse(t, `# the account
connection: jst-main
system: jushuitan
endpoint: sandbox
time_zone: Asia/Tokyo
budget: {per_second: 5, per_minute: 100}
settings: {co_id: "17"}
--- # the source
source: jst-purchasein
connection: jst-main
feed: jushuitan.purchasein
cron: "0 */5 * * * *"
start: 2025-01-01T00:00:00+08:00
request: {statuss: [Confirmed, Cancelled], n: 9007199254740993, d: 1.50, deep: {yes: true, none: null}, big: 18446744073709551616}
settle: 0s
overlap: 5m
slice: 24h
page_size: 30
recount: 03:30
---
`)
	if len(documents) != 2 {
		t.Fatalf("%d documents", len(documents))
	}
	c := documents[0].Connection
	got := fmt.Sprint(c.Name, c.System, c.Sandbox(), c.Location(), c.Budget, c.Settings)
	if want := "jst-mainjushuitantrue Asia/Tokyo {5 100} map[co_id:17]"; got != want {
		t.Errorf("connection = %s, want %s", got, want)
	}
	if !strings.HasPrefix(documents[0].Text, "# the account\n") || documents[0].Line != 2 || documents[1].Line != 9 {
		t.Errorf("text %q, lines %d and %d", documents[0].Text, documents[0].Line, documents[1].Line)
	}
	s := documents[1].Source
	got = fmt.Sprint(s.Every, s.Cron, s.Zone, *s.Settle, *s.Overlap, s.Slice, s.PageSize, s.Start.Unix(), s.Recount)
	if want := "0s0 */5 * * * *Asia/Shanghai0s 5m0s 24h0m0s 30 173566080003:30"; got != want {
		t.Errorf("source = %s, want %s", got, want)
	}
	want := "map[big:18446744073709551616 d:1.50 deep:map[none:<nil> yes:true] n:9007199254740993 statuss:[Confirmed Cancelled]]"
	if got = fmt.Sprint(s.Request); got != want {
		t.Errorf("request = %s, want %s", got, want)
	}
}

func TestTune(t *testing.T) {
	s := parse(t, strings.Replace(connections, "every: 5m", "every: 5m\nsettle: 0s\noverlap: 5m\nslice: 24h\npage_size: 30\nrequest: {statuss: [Confirmed]}", 1))[2].Source
	f, _ := feed.Get(s.Feed)
	tuned := s.Tune(f)
	if tuned.Window.Settle != 0 || tuned.Window.Overlap != 5*time.Minute || tuned.Window.Max != 24*time.Hour || tuned.Paging.Max != 30 ||
		tuned.Request["date_type"] == nil || tuned.Request["statuss"] == nil || len(f.Request) != 1 {
		t.Errorf("tuned = %+v", tuned)
	}
	if off := parse(t, strings.Replace(connections, "every: 5m", "every: 5m\nrecount: off", 1))[2].Source; off.Recount != flow.RecountOff {
		t.Errorf("recount is %q", off.Recount)
	}
	plain := parse(t, connections)[2].Source
	if plain.Start.Unix() != 1735660800 || plain.Every != 5*time.Minute {
		t.Errorf("a date begins at %v", plain.Start)
	}
}

func TestParseStored(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	d, err := flow.ParseStored(flow.KindFlow, "jst-purchasein-to-mysql", text)
	if err != nil || d.Flow == nil || d.Text != string(text) || d.Flow.Target.Query() != "mode=replace" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, tt := range [][2]string{{flow.KindFlow, "other"}, {flow.KindSource, "jst-purchasein-to-mysql"}} {
		if _, err := flow.ParseStored(tt[0], tt[1], text); err == nil || !strings.HasPrefix(err.Error(), tt[0]+"/"+tt[1]+":") {
			t.Errorf("%v: %v", tt, err)
		}
	}
	if _, err := flow.ParseStored(flow.KindFlow, "x", []byte("# nothing")); err == nil {
		t.Error("nothing was taken for a flow")
	}
}

func TestShippedFlowFits(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}.With(parse(t, connections)...).With(parse(t, string(text))...)
	if err := check.Set(set); err != nil {
		t.Fatal(err)
	}
	if got := set.Names(flow.KindFlow); len(got) != 1 || len(set.Names(flow.KindConnection)) != 2 {
		t.Errorf("names = %v", got)
	}
}

func TestRemovalOfWhatIsUsed(t *testing.T) {
	text, _ := os.ReadFile(shipped)
	set := flow.Set{}.With(parse(t, connections)...).With(parse(t, string(text))...)
	tests := []struct{ kind, name, want string }{
		{flow.KindConnection, "jst-main", `t.yaml:10:13: connection: unknown connection "jst-main": there are bi-main`},
		{flow.KindConnection, "bi-main", `t.yaml:8:15: target.connection: unknown connection "bi-main": there are jst-main`},
		{flow.KindSource, "jst-purchasein", `t.yaml:5:7: from: unknown source "jst-purchasein": there are none`},
		{flow.KindFlow, "jst-purchasein-to-mysql", ""},
	}
	for _, tt := range tests {
		if got := strings.Join(faults(t, check.Set(set.Without(tt.kind, tt.name))), "\n"); got != tt.want {
			t.Errorf("without %s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if err := check.Set(set); err != nil {
		t.Errorf("Without changed its set: %v", err)
	}
}

func TestCompileWantsTheRightSource(t *testing.T) {
	text, _ := os.ReadFile(shipped)
	f := parse(t, string(text))[0].Flow
	source := *parse(t, connections)[2].Source
	from, _ := feed.Get(source.Feed)
	if _, err := check.Compile(*f, source, from, flow.Connection{}); err != nil {
		t.Error(err)
	}
	source.Name = "other"
	if _, err := check.Compile(*f, source, from, flow.Connection{}); err == nil {
		t.Error("a flow was compiled for another source")
	}
}
