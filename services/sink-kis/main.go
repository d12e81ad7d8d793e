// Command sink-kis books target messages in 金蝶 KIS 私有云 (Kingdee KIS): bills with the number that the
// source gave them, each once.
package main

import (
	"context"
	"fmt"
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/token"
)

func main() { sink.MainOn("kis", open) }

// share is the part of the account's calls that the sink takes, in percent; the rest is for reading
// master data from the same account set.
const share = 80

// inFlight is how many bookings are under way where the connection does not say: KIS takes one call at a
// time, and its budget leaves most of the time between calls free.
const inFlight = 1

// open returns the sink of one connection. KIS need not be there yet.
func open(ctx context.Context, connection flow.Connection, svc *service.Service) (sink.Sink, error) {
	s, err := build(ctx, connection, svc)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", connection.Name, err)
	}
	return s, nil
}

func build(ctx context.Context, connection flow.Connection, svc *service.Service) (*booking.Sink, error) {
	get := connection.Getter(svc.Secrets.Read)
	settings, err := booking.ReadSettings(get, inFlight)
	if err != nil {
		return nil, err
	}
	form, err := readForm(connection.Settings)
	if err != nil {
		return nil, err
	}
	tokens, err := token.Open(ctx, svc.JS)
	if err != nil {
		return nil, err
	}
	links, err := booking.Open(ctx, svc.JS)
	if err != nil {
		return nil, err
	}
	cfg := kis.Configure(get, pace.Budget{
		PerMinute: connection.Budget.PerMinute, PerSecond: connection.Budget.PerSecond, Percent: share,
	})
	cfg.Tokens, cfg.Log, cfg.Version = tokens, svc.Log, svc.Version
	client, err := kis.New(cfg)
	if err != nil {
		return nil, err
	}
	desk := booking.New(links, booking.Options{
		Connection: connection.Name, Instance: svc.Instance, Longest: settings.Longest, Settle: settings.Settle,
	})
	return booking.NewSink(desk, settings.InFlight, receipts{client, form}.route, client.Rest), nil
}
