// Command sink-kingdee books target messages in 金蝶云星辰 V2 (Kingdee Xingchen V2): customers and bills,
// each once, though the vendor knows no idempotent call.
package main

import (
	"cmp"
	"context"
	"fmt"
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

func main() { sink.MainOn("kingdee", open) }

// share is the part of the account's calls that the sink takes, in percent; the rest is for reading
// master data from the same account set.
const share = 80

// mostInFlight bounds what a crash leaves to be looked up.
const mostInFlight = 16

// inFlight is how many bookings are under way where the connection does not say: as many as the budget
// has calls in a second, which answers may take, and one that gets ready. More would write their intents
// long before their calls.
func inFlight(b pace.Budget) int {
	perMinute := cmp.Or(b.PerMinute, xingchen.DefaultPerMinute)
	if b.PerSecond > 0 {
		perMinute = min(perMinute, 60*b.PerSecond)
	}
	return min(perMinute*b.Percent/100/60+1, mostInFlight)
}

// open returns the sink of one connection. Kingdee need not be there yet.
func open(ctx context.Context, connection flow.Connection, svc *service.Service) (sink.Sink, error) {
	get := connection.Getter(svc.Secrets.Read)
	budget := pace.Budget{PerMinute: connection.Budget.PerMinute, PerSecond: connection.Budget.PerSecond, Percent: share}
	settings, err := booking.ReadSettings(get, inFlight(budget))
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", connection.Name, err)
	}
	tokens, err := token.Open(ctx, svc.JS)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", connection.Name, err)
	}
	links, err := booking.Open(ctx, svc.JS)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", connection.Name, err)
	}
	cfg := xingchen.Configure(get, budget)
	cfg.Tokens, cfg.Log, cfg.Version = tokens, svc.Log, svc.Version
	client, err := xingchen.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", connection.Name, err)
	}
	desk := booking.New(links, booking.Options{
		Connection: connection.Name, Instance: svc.Instance, Longest: settings.Longest, Settle: settings.Settle,
	})
	return booking.NewSink(desk, settings.InFlight, shelves{client}.route, client.Rest), nil
}
