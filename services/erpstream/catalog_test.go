package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/proto/contract"
)

const shippedConfig = "../../deploy/config"

// wants runs a command and looks for texts in what it prints.
func wants(t *testing.T, code int, texts []string, args ...string) (stdout string) {
	t.Helper()
	got, out, errOut := run(t, args...)
	if got != code {
		t.Errorf("%v: exit code %d, want %d: %s", args, got, code, errOut)
	}
	for _, text := range texts {
		if !strings.Contains(out+errOut, text) {
			t.Errorf("%v: no %q in\n%s%s", args, text, out, errOut)
		}
	}
	return out
}

// squeezed has one blank where a table has many.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestFeedsAreListedAndShown(t *testing.T) {
	var rows []feedRow
	if err := json.Unmarshal([]byte(wants(t, 0, nil, "feed", "list", "--json")), &rows); err != nil || len(rows) != len(feed.Names()) {
		t.Errorf("%d feeds of %d, %v", len(rows), len(feed.Names()), err)
	}
	for _, row := range rows {
		if row.Path == "" || row.Title == "" || row.Fields == 0 || row.Page == 0 || row.CallsPerMinute == 0 {
			t.Errorf("feed %+v", row)
		}
	}
	if out := wants(t, 0, []string{"jushuitan.otherin", "/open/other/inout/query"}, "feed", "list", "其它出入库"); strings.Contains(out, "shops") {
		t.Errorf("other feeds are listed:\n%s", out)
	}
	shown := squeezed(wants(t, 0, nil, "feed", "show", "jushuitan.otherin"))
	for _, want := range []string{
		"path /open/other/inout/query", "key io_id", "up to 50 documents", "settle 1m0s, overlap 10m0s", "100 calls a minute",
		"io_id number 1850042 key (主键)", `receiver_name text "***" personal (个人信息)`, "items[].cost_price number 35.5",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	if out := wants(t, 0, []string{`"receiver_name": "***"`}, "feed", "show", "jushuitan.otherin", "--json"); !json.Valid([]byte(out)) || strings.Contains(out, "张") {
		t.Errorf("JSON is broken, or shows personal data:\n%s", out)
	}
	wants(t, 2, []string{"did you mean jushuitan.shops?"}, "feed", "show", "jushuitan.shop")
}

func TestMessagesAreListedAndShown(t *testing.T) {
	var all []map[string]any
	if err := json.Unmarshal([]byte(wants(t, 0, nil, "message", "list", "--json")), &all); err != nil || len(all) != len(contract.Names()) {
		t.Errorf("%d messages, %v", len(all), err)
	}
	shown := squeezed(wants(t, 0, nil, "message", "show", "otherinbound"))
	for _, want := range []string{
		"erpstream.kis.v1.OtherInbound\nkis to /koas/app007104/api/miscellaneousreceipt\n", "1 head * OtherInboundHead Head",
		"1 bill_no * text FBillNo max_len 30 单据编号", "3 qty * decimal Fauxqty pattern",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	wants(t, 0, []string{"VARCHAR(255)", "personal (个人信息)", "客户网名"}, "message", "show", "erpstream.mysql.v1.AfterSalesRefund")
	wants(t, 2, []string{"did you mean PurchaseIn?"}, "message", "show", "PurchasIn")
}

func TestANewFlowPassesCheckAndLint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new.yaml")
	args := []string{"flow", "new", "--feed", "wangdiantong.stockin", "--message", "InventoryGainBill", "--name", "new", "--source-connection", "wdt-main", "--connection", "kd-main", "--out", file}
	wants(t, 0, []string{"fields have a guess"}, args...)
	wants(t, 2, []string{"exists"}, args...)
	wants(t, 0, []string{"all right"}, "flow", "check", file, shippedConfig)
	wants(t, 0, []string{"0 errors, 0 warnings"}, "flow", "lint", file, "--config", shippedConfig)
	out := wants(t, 0, []string{"from: here"}, "flow", "new", "--feed", "jushuitan.shops", "--message", "Customer", "--source", "here")
	if strings.Contains(out, "source: here") {
		t.Errorf("a source that there is was written:\n%s", out)
	}
	wants(t, 2, []string{"--feed and --message are needed"}, "flow", "new")
	wants(t, 2, []string{"did you mean jushuitan.shops?"}, "flow", "new", "--feed", "jushuitan.shop", "--message", "Customer")
	wants(t, 2, []string{"--start"}, "flow", "new", "--feed", "jushuitan.otherin", "--message", "OtherInbound", "--start", "yesterday")
}

func TestTheSchemaIsPrinted(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(shippedConfig, "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if out := wants(t, 0, nil, "schema"); out != string(want) {
		t.Error("it is not deploy/config/schema.json")
	}
	file := filepath.Join(t.TempDir(), "s.json")
	wants(t, 0, nil, "schema", "--out", file)
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("--out wrote something else, %v", err)
	}
}

const misread = `flow: misread
from: jst-shops
target: {kind: kingdee, connection: kd-main, message: erpstream.kingdee.v1.Customer}
map:
  number: string(record.shop_id)
  name: record.shop_nam
  remark: record.nick_of_vendor
`

func TestLintExitCodes(t *testing.T) {
	wants(t, 0, []string{"0 errors, 0 warnings"}, "flow", "lint", shippedConfig, "--strict")
	file := write(t, "misread.yaml", misread)
	wants(t, 1, []string{file + ":6:9: map.name: error: records have no field shop_nam: did you mean shop_name? [unknown-field]"}, "flow", "lint", file, "--config", shippedConfig)
	right := write(t, "right.yaml", strings.Replace(misread, "shop_nam\n", "shop_name\n", 1))
	wants(t, 0, []string{right + ":7:11: map.remark: warning", "0 errors, 1 warning"}, "flow", "lint", right, "--config", shippedConfig)
	wants(t, 1, []string{"lint: 0 errors, 1 warning"}, "flow", "lint", right, "--config", shippedConfig, "--strict")
	var found []map[string]any
	if err := json.Unmarshal([]byte(wants(t, 0, nil, "flow", "lint", right, "--config", shippedConfig, "--json")), &found); err != nil || len(found) != 1 || found[0]["line"] != 7.0 {
		t.Errorf("as JSON: %v, %v", found, err)
	}
	wants(t, 2, []string{"unknown field"}, "flow", "lint", write(t, "broken.yaml", "flow: x\nmapp: {}\n"))
	wants(t, 2, []string{"did you mean warning?"}, "flow", "lint", right, "--level", "warnin")
	wants(t, 2, []string{"no such file"}, "flow", "lint", "nowhere.yaml")
}

// TestLintAsksForTheFieldsSeen has records in RAW with a field that the sample lacks, then a learned shape
// without it.
func TestLintAsksForTheFieldsSeen(t *testing.T) {
	url, js := natsURL(t)
	wants(t, 0, nil, "provision", "--nats", url)
	file := write(t, "flow.yaml", strings.Replace(misread, "shop_nam\n", "shop_name\n", 1))
	args := []string{"flow", "lint", file, "--config", shippedConfig, "--nats", url}
	for _, key := range []string{"1", "2"} {
		e := record.Envelope{ID: "jst-shops/" + key, Source: "jst-shops", Type: "jushuitan.shops", Key: key, Version: 1, Time: time.Now()}
		body := `{"shop_id":` + key + `,"shop_name":"a","nick_of_vendor":"b"}`
		msg := &nats.Msg{Subject: topology.RawSubject("jushuitan", "jst-shops", key), Header: e.Header(), Data: []byte(body)}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, 0, []string{"0 errors, 0 warnings"}, args...)
	_, err := shape.Update(t.Context(), js, "jst-shops", func(s *shape.Shape) {
		for range 3 {
			if err := s.Learn(shape.Record{Body: []byte(`{"shop_id":1,"shop_name":"a"}`), Time: time.Now()}, shape.Rules{}); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, 0, []string{"records have no field nick_of_vendor (of the recorded sample and 3 records that were read)"}, args...)
}
