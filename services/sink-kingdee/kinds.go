package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/xingchen"
	"github.com/erpstream/erpstream/proto/contract"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// kind is a type of document: what its contract doesn't say.
type kind struct {
	message proto.Message
	// lines is the field with the lines of a bill; "" is base data, which has none and is not audited.
	lines string
	// usual is what is done where the flow doesn't say otherwise.
	usual policy.Policy
}

// kinds are the documents that are booked here. A new one is a .proto and a row.
var kinds = byName(
	kind{&kingdeev1.Customer{}, "", policy.Policy{Search: true, Change: true}},
	kind{&kingdeev1.InventoryGainBill{}, "material_entity", policy.Policy{Change: true}},
	kind{&kingdeev1.InventoryLossBill{}, "material_entity", policy.Policy{Change: true}},
	kind{&kingdeev1.OtherInBill{}, "material_entity", policy.Policy{Change: true}},
)

func byName(rows ...kind) map[string]kind {
	out := make(map[string]kind, len(rows))
	for _, row := range rows {
		out[string(row.message.ProtoReflect().Descriptor().FullName())] = row
	}
	return out
}

// document returns what the contract says.
func (k kind) document() *sinkv1.Document {
	return contract.Document(k.message.ProtoReflect().Descriptor())
}

// shelves are where the documents of one account set are.
type shelves struct{ client *xingchen.Client }

// route returns where a message is booked and how. Its errors are permanent.
func (s shelves) route(m *sink.Message) (booking.System, policy.Policy, error) {
	k, ok := kinds[m.Schema]
	if !ok {
		return nil, policy.Policy{}, fault.Permanent("schema", fmt.Errorf(
			"%s is not booked at Kingdee: there are %s", m.Schema, strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")))
	}
	chosen, err := policy.Read(m.Options, k.usual, k.message.ProtoReflect().Descriptor())
	if err != nil {
		return nil, chosen, err
	}
	document := k.document()
	switch {
	case chosen.Append && document.GetMarker() == "":
		return nil, chosen, fault.Permanent("options", fmt.Errorf("option marker: %s is found by its number", m.Schema))
	case k.lines == "":
		return customers{s.client, document}, chosen, nil
	default:
		return bills{s.client, document, k.lines, m.Options.Get(policy.AuditFailure) == policy.DeleteDraft}, chosen, nil
	}
}
