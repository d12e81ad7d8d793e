package flow_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	connection = "connection: jst\nsystem: jushuitan\nendpoint: https://openapi.jushuitan.com\n"
	source     = "source: receipts\nconnection: jst\nfeed: jushuitan.purchasein\nevery: 5m\nstart: 2026-01-01\n"
)

func parse(t *testing.T, text string) []flow.Document {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestApplyIsAllOrNothingAndKeepsTheText(t *testing.T) {
	js := natstest.Run(t)
	if _, err := flow.Apply(t.Context(), js, parse(t, source), check.Set); err == nil {
		t.Error("a source without its connection was stored")
	}
	text := "# 采购入库\n" + source
	changes, err := flow.Apply(t.Context(), js, parse(t, connection+"---\n"+text), check.Set)
	if err != nil || len(changes) != 2 || changes[0].Action != "create" {
		t.Fatalf("Apply = %v, %v", changes, err)
	}
	stored, err := flow.Load(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	if got := stored.Documents["source.receipts"].Text; !strings.Contains(got, "# 采购入库") {
		t.Errorf("the comment is lost: %q", got)
	}
	first := stored.Revision(flow.KindSource, "receipts")
	changes, err = flow.Apply(t.Context(), js, parse(t, connection+"---\n"+strings.Replace(text, "5m", "10m", 1)), check.Set)
	if err != nil || changes[0].Action != "keep" || changes[1].Action != "update" {
		t.Fatalf("Apply = %v, %v", changes, err)
	}
	stored, err = flow.Load(t.Context(), js)
	if err != nil || stored.Sources["receipts"].Every != 10*time.Minute || stored.Revision(flow.KindSource, "receipts") <= first {
		t.Errorf("stored %+v at revision %d, %v", stored.Sources["receipts"], stored.Revision(flow.KindSource, "receipts"), err)
	}
}

func TestTwoWhoApplyAtOnce(t *testing.T) {
	js := natstest.Run(t)
	if _, err := flow.Apply(t.Context(), js, parse(t, connection), check.Set); err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for _, every := range []string{"1m", "2m", "3m", "4m"} {
		docs := parse(t, strings.Replace(source, "5m", every, 1))
		go func() { _, err := flow.Apply(t.Context(), js, docs, check.Set); results <- err }()
	}
	stored := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			stored++
		case !errors.Is(err, flow.ErrChanged):
			t.Errorf("Apply = %v, want ErrChanged", err)
		}
	}
	if stored == 0 {
		t.Error("none of four was stored")
	}
}

func TestWatchFollows(t *testing.T) {
	js := natstest.Run(t)
	snapshots, err := flow.Watch(t.Context(), js, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s := <-snapshots; len(s.Documents) != 0 {
		t.Errorf("%d documents in an empty bucket", len(s.Documents))
	}
	if _, err := flow.Apply(t.Context(), js, parse(t, connection+"---\n"+source), check.Set); err != nil {
		t.Fatal(err)
	}
	if s := <-snapshots; len(s.Connections) != 1 || len(s.Sources) != 1 {
		t.Errorf("snapshot %+v: what was applied together came apart", s.Set)
	}
	// Something that is no document is left out; the others stay.
	kv, err := js.KeyValue(t.Context(), topology.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "source.broken", "source: [broken"); err != nil {
		t.Fatal(err)
	}
	if s := <-snapshots; len(s.Sources) != 1 {
		t.Errorf("sources %v", s.Sources)
	}
	if err := kv.Delete(t.Context(), "source.receipts"); err != nil {
		t.Fatal(err)
	}
	if s := <-snapshots; len(s.Sources) != 0 {
		t.Errorf("sources %v after the last was deleted", s.Sources)
	}
}
