// Package receipt publishes what became of records: one message for each partition of a batch of them.
package receipt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// Book publishes receipts in the name of one replica of a service.
type Book struct {
	js                jetstream.JetStream
	service, instance string
}

// NewBook returns a Book for a replica.
func NewBook(js jetstream.JetStream, service, instance string) Book {
	return Book{js: js, service: service, instance: instance}
}

// Publish stores the outcomes of records, by flow, and waits until the server has all of them. After
// an error it has any part; publishing the same outcome again changes no account.
func (b Book) Publish(ctx context.Context, receipts map[string][]*ledgerv1.Receipt) error {
	var msgs []*nats.Msg
	now := timestamppb.New(time.Now())
	for flow, all := range receipts {
		parts := map[string]*ledgerv1.Receipts{}
		for _, r := range all {
			p := topology.Partition(r.GetKey())
			part := parts[p]
			if part == nil {
				part = &ledgerv1.Receipts{Flow: &flow, Service: &b.service, Instance: &b.instance, Time: now}
				parts[p] = part
			}
			part.Receipts = append(part.Receipts, r)
		}
		for _, part := range parts {
			body, err := proto.Marshal(part)
			if err != nil {
				return fmt.Errorf("encode receipts of flow %s: %w", flow, err)
			}
			msg := nats.NewMsg(topology.ReceiptSubject(flow, part.GetReceipts()[0].GetKey()))
			msg.Data = body
			msgs = append(msgs, msg)
		}
	}
	for part := range slices.Chunk(msgs, topology.BatchLimit) {
		if err := batch.Store(ctx, b.js, part); err != nil {
			return fmt.Errorf("publish receipts: %w", err)
		}
	}
	return nil
}
