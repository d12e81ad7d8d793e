package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// proved puts records of a day into RAW as a poller does, with the proof of their window.
func proved(t *testing.T, js jetstream.JetStream, at time.Time, ids []int) {
	t.Helper()
	n := proto.Int64(int64(len(ids)))
	window := &ledgerv1.Window{
		Source: proto.String("receipts"), From: timestamppb.New(at), To: timestamppb.New(at.Add(time.Hour)), Cursor: timestamppb.New(at.Add(time.Hour)),
		Closed: proto.Bool(true), TotalBefore: n, TotalAfter: n, Distinct: n, Published: n,
	}
	body, err := proto.Marshal(window)
	if err != nil {
		t.Fatal(err)
	}
	var batch []*nats.Msg
	for _, id := range ids {
		key, doc := strconv.Itoa(id), purchase(id, "Confirmed")
		msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
		e := record.Envelope{ID: record.NewID("receipts", key, at.Unix(), []byte(doc)), Source: "receipts", Type: feedName, Key: key, Version: at.Unix(), Time: at}
		msg.Header, msg.Data = e.Header(), []byte(doc)
		batch = append(batch, msg)
	}
	closed := nats.NewMsg(topology.WindowSubject("receipts"))
	closed.Data = body
	closed.Header.Set(jetstream.MsgTTLHeader, "never")
	if _, err := jetstreamext.PublishMsgBatch(t.Context(), js, append(batch, closed)); err != nil {
		t.Fatal(err)
	}
}

// TestAccountsBalanceThroughAReplay audits before, while and after the past is mapped again, with records that are
// delivered, superseded, left out and dead, and a sink that has the last word: each record is counted once, and
// nothing is ever missing.
func TestAccountsBalanceThroughAReplay(t *testing.T) {
	js := natstest.Run(t)
	docs, err := flow.Parse("test.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Apply(t.Context(), js, docs, func(flow.Set) error { return nil }); err != nil {
		t.Fatal(err)
	}
	first, second := []int{13, 14}, []int{1_000, 1_001, 1_002}
	for id := range 200 {
		first = append(first, 1_000+id)
	}
	proved(t, js, day(1), first)
	proved(t, js, day(2), second) // newer states of some
	stop := start(t, newTransform(t, js, 1))
	write(t, js)
	want := ledger.Account{SourceTotal: 205, Published: 205, Delivered: 203, Filtered: 1, Dead: 1, Balanced: true}
	balanced(t, js, want)
	stop()

	start(t, newTransform(t, js, 2))
	asked := ask(t, js, replay.Job{Rate: 200})
	looks := 0
	for done := false; !done; looks++ {
		e, err := replay.Get(t.Context(), js, "to-bi", asked.ID)
		if err != nil {
			t.Fatal(err)
		}
		done = !e.State.Open()
		if got := account(t, js); !got.Balanced || got.Missing > 0 || got.Published != 205 {
			t.Errorf("while it is replayed: %+v", got)
		}
	}
	t.Logf("%d looks", looks)
	if e := over(t, js, asked); e.Mapped != 200 || e.Filtered != 1 || e.Died != 1 {
		t.Errorf("%+v", e.Job)
	}
	balanced(t, js, want)
}

// write runs a sink that keeps the newest version of each document.
func write(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	held := map[string]sink.Message{}
	keep := sink.Func(func(_ context.Context, batch []sink.Message) error {
		for i, m := range batch {
			if was, ok := held[m.Key]; ok && !m.Newer(was.Version, was.RawSequence) {
				batch[i].Outcome = sink.Superseded
				continue
			}
			held[m.Key] = m
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := sink.Run(ctx, js, keep, sink.Options{Kind: "mysql", Connection: "bi", Instance: "s1"}); !errors.Is(err, context.Canceled) {
			t.Errorf("sink: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

func account(t *testing.T, js jetstream.JetStream) ledger.Account {
	t.Helper()
	report, err := ledger.Audit(t.Context(), js, ledger.Query{Flows: []string{"to-bi"}})
	if err != nil {
		t.Fatal(err)
	}
	return report.Flows[0].Account
}

func balanced(t *testing.T, js jetstream.JetStream, want ledger.Account) {
	t.Helper()
	natstest.Eventually(t, func() error {
		if got := account(t, js); got != want {
			return fmt.Errorf("%+v, want %+v", got, want)
		}
		return nil
	})
}
