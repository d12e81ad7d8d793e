// Command poller-jushuitan polls the feeds of 聚水潭 Jushuitan into RAW.
package main

import (
	"context"
	"maps"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/service"
)

func main() { poll.Main("jushuitan", map[string]poll.Open{"jushuitan": open}) }

// open makes the reader of one account. Of the connection's settings, app_key is required; app
// (self or isv) and auth_path have the client's defaults.
func open(_ context.Context, c flow.Connection, svc *service.Service) (poll.Reader, error) {
	client, err := jushuitan.New(jushuitan.Config{
		Endpoint: c.Endpoint,
		App:      jushuitan.App(c.Settings["app"]),
		AppKey:   c.Settings["app_key"],
		AuthPath: c.Settings["auth_path"],
		Secrets:  func(field string) (string, error) { return svc.Secrets.Read(c.Name, field) },
		Budget:   jushuitan.Budget{PerSecond: c.Budget.PerSecond, PerMinute: c.Budget.PerMinute},
		Version:  svc.Version,
		Log:      svc.Log.With("connection", c.Name),
	})
	if err != nil {
		return nil, err
	}
	return reader{client}, nil
}

// reader reads any feed of the vendor, as its descriptor says.
type reader struct {
	client *jushuitan.Client
}

// Read asks for one page.
func (r reader) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	page, err := r.client.Page(ctx, q.Feed.Path, request(q), q.Feed.Rows)
	if err != nil {
		return poll.Page{}, err
	}
	return poll.Page{Rows: page.Rows, Total: page.Total, Size: page.Size, HasNext: page.HasNext}, nil
}

// request returns the business parameters of a query.
func request(q poll.Query) map[string]any {
	biz := maps.Clone(q.Feed.Request)
	if biz == nil {
		biz = map[string]any{}
	}
	maps.Copy(biz, q.Request)
	biz[q.Feed.Window.Begin] = q.Feed.FormatTime(q.From)
	biz[q.Feed.Window.End] = q.Feed.FormatTime(q.To)
	biz[q.Feed.Paging.Index] = q.Page
	biz[q.Feed.Paging.Size] = q.Size
	return biz
}
