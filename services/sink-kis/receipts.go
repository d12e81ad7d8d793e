package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/tolerant"
	"github.com/erpstream/erpstream/proto/contract"
	kisv1 "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
)

// receipts are the 其他入库单 of one account set. KIS has no documented way to change or delete them
// through its API, nor to audit them: they stay drafts until a user audits them in KIS.
type receipts struct {
	client *kis.Client
	form   form
}

// message is what is booked here.
var message = (&kisv1.OtherInbound{}).ProtoReflect().Descriptor()

// endpoint is the path that create, list and getdetail are below (seen in use).
var endpoint = contract.Document(message).GetEndpoint()

// route returns where a message is booked and how. Its errors are permanent.
func (r receipts) route(m *sink.Message) (booking.System, policy.Policy, error) {
	if m.Schema != string(message.FullName()) {
		return nil, policy.Policy{}, fault.Permanent("schema", fmt.Errorf("%s is not booked at KIS: there is %s", m.Schema, message.FullName()))
	}
	chosen, err := policy.Read(m.Options, policy.Policy{}, message)
	if err == nil && chosen != (policy.Policy{Search: chosen.Search}) {
		err = fault.Permanent("options", errors.New(
			"KIS can't change or delete bills, and finds them by their number: on_change must be refuse, on_removed keep, marker remark"))
	}
	return r, chosen, err
}

// Create creates a bill under the number that the message has.
func (r receipts) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	msg, ok := doc.Message.(*kisv1.OtherInbound)
	if !ok {
		return booking.Held{}, booking.Unbooked(fault.Permanent("schema", fmt.Errorf("%T is no %s", doc.Message, message.FullName())))
	}
	body, err := r.form.body(msg)
	if err != nil {
		return booking.Held{}, booking.Unbooked(fault.Permanent("data", err))
	}
	data, err := r.client.Call(ctx, endpoint+"/create", body, kis.Write)
	switch {
	case err == nil:
		return created(data)
	case kis.Uncertain(err):
		return booking.Held{}, err
	case errors.Is(err, kis.ErrExists):
		return booking.Held{}, booking.Exists(err)
	default:
		return booking.Held{}, booking.Unbooked(err)
	}
}

// created reads the answer to create: FID is the FInterID of the bill (seen in use).
func created(data json.RawMessage) (booking.Held, error) {
	fields, err := tolerant.Parse(data)
	if err == nil && fields.Text("FID") == "" {
		err = errors.New("no FID")
	}
	if err != nil {
		return booking.Held{}, kingdee.MarkUncertain(fault.Busy("answer", 0, fmt.Errorf("read the answer of %s/create: %w", endpoint, err)))
	}
	return booking.Held{ID: fields.Text("FID"), Number: fields.Text("FBillNo")}, nil
}
