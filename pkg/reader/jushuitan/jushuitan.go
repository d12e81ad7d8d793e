// Package jushuitan reads the feeds of 聚水潭 Jushuitan as their descriptors say.
package jushuitan

import (
	"context"
	"maps"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/token"
)

// Open makes the reader of one account. jushuitan.Configure lists the settings.
func Open(ctx context.Context, c flow.Connection, svc *service.Service) (poll.Reader, error) {
	tokens, err := token.For(ctx, svc.JS)
	if err != nil {
		return nil, err
	}
	cfg := jushuitan.Configure(c.Getter(svc.Secrets.Read))
	cfg.Tokens = shared(tokens, c.Name, cfg)
	cfg.Budget = pace.Budget{PerSecond: c.Budget.PerSecond, PerMinute: c.Budget.PerMinute}
	cfg.Version, cfg.Log = svc.Version, svc.Log.With("connection", c.Name)
	client, err := jushuitan.New(cfg)
	if err != nil {
		return nil, err
	}
	return reader{client}, nil
}

// shared keeps the account's token where all replicas find it, so that one that takes over needs no
// new one: an authorisation code buys a token only once.
func shared(tokens token.Store, connection string, cfg jushuitan.Config) jushuitan.TokenStore {
	return token.Box[jushuitan.Token]{
		Store: tokens, Name: connection, Account: cfg.String(),
		Secret: func() (string, error) { return cfg.Secrets("app_secret") },
	}
}

// reader reads any feed of the vendor, as its descriptor says.
type reader struct {
	client *jushuitan.Client
}

// Rest is that of the client (poll.Rester).
func (r reader) Rest() { r.client.Rest() }

// Skew is that of the client (poll.Clocked).
func (r reader) Skew() (least, most time.Duration) { return r.client.Skew() }

// Read asks for one page. Older answers have the shops under a name of their own (seen in use).
func (r reader) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	page, err := r.client.Page(ctx, q.Feed.Path, request(q), q.Feed.Rows, "shops")
	if err != nil {
		return poll.Page{}, err
	}
	return poll.Page{Rows: page.Rows, Total: page.Total, Size: page.Size, HasNext: page.HasNext}, nil
}

// request returns the business parameters of a query. Only paging may go along with a row version.
func request(q poll.Query) map[string]any {
	biz := map[string]any{}
	if q.Since == nil {
		maps.Copy(biz, q.Feed.Request)
	}
	maps.Copy(biz, q.Request)
	switch {
	case q.Since != nil:
		biz[q.Feed.RowVersion.Param] = *q.Since
	case !q.Feed.Snapshot:
		biz[q.Feed.Window.Begin] = q.Feed.FormatTime(q.From)
		biz[q.Feed.Window.End] = q.Feed.FormatTime(q.To)
	}
	biz[q.Feed.Paging.Index] = q.Page
	biz[q.Feed.Paging.Size] = q.Size
	return biz
}
