// Package wangdiantong reads the feeds of 旺店通 Wangdiantong, of either edition, as their descriptors
// say.
package wangdiantong

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// Open makes the reader of one account. The connection's settings are those of
// wangdiantong.Configure.
func Open(_ context.Context, c flow.Connection, svc *service.Service) (poll.Reader, error) {
	cfg, err := wangdiantong.Configure(c.Getter(svc.Secrets.Read))
	if err != nil {
		return nil, err
	}
	// Asked directly, a secret that can't be read says why.
	cfg.Secrets = func(field string) (string, error) { return svc.Secrets.Read(c.Name, field) }
	cfg.Budget = pace.Budget{PerSecond: c.Budget.PerSecond, PerMinute: c.Budget.PerMinute}
	cfg.Version = svc.Version
	cfg.Log = svc.Log.With("connection", c.Name)
	client, err := wangdiantong.New(cfg)
	if err != nil {
		return nil, err
	}
	return reader{client, string(cfg.Edition)}, nil
}

// reader reads any feed of the account's edition, as its descriptor says.
type reader struct {
	client  *wangdiantong.Client
	edition string
}

// Rest is that of the client (poll.Rester).
func (r reader) Rest() { r.client.Rest() }

// Skew is that of the client (poll.Clocked).
func (r reader) Skew() (least, most time.Duration) { return r.client.Skew() }

// Read asks for one page. A feed of the other edition is refused: nothing there has its name.
func (r reader) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	if q.Feed.Edition != r.edition {
		return poll.Page{}, fault.Permanent("request", fmt.Errorf(
			"feed %s is of the edition %s, the connection's edition is %s", q.Feed.Name, q.Feed.Edition, r.edition))
	}
	page, err := r.client.Page(ctx, call(q))
	if err != nil {
		return poll.Page{}, err
	}
	return poll.Page{Rows: page.Rows, Total: page.Total, Size: page.Size, HasNext: page.HasNext}, nil
}

// call returns the call for a query. A snapshot has no window.
func call(q poll.Query) wangdiantong.Call {
	params := maps.Clone(q.Feed.Request)
	if params == nil {
		params = map[string]any{}
	}
	maps.Copy(params, q.Request)
	if !q.Feed.Snapshot {
		params[q.Feed.Window.Begin] = q.Feed.FormatTime(q.From)
		params[q.Feed.Window.End] = q.Feed.FormatTime(q.To)
	}
	return wangdiantong.Call{Method: q.Feed.Path, Params: params, Page: q.Page, Size: q.Size, Rows: q.Feed.Rows}
}
