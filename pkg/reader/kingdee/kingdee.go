// Package kingdee reads the feeds of 金蝶云星辰 V2 (Xingchen) and 金蝶 KIS 私有云 as their descriptors say.
package kingdee

import (
	"context"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// percent is the part of an account set's calls that polling takes: the rest is for the sink, which
// writes to the same account set.
const percent = 20

// budget is the poller's part of a connection's budget.
func budget(c flow.Connection) pace.Budget {
	return pace.Budget{PerMinute: c.Budget.PerMinute, PerSecond: c.Budget.PerSecond, Percent: percent}
}

// OpenXingchen makes the reader of one account set of 云星辰 V2. xingchen.Configure lists the settings.
func OpenXingchen(ctx context.Context, c flow.Connection, svc *service.Service) (poll.Reader, error) {
	cfg := xingchen.Configure(c.Getter(svc.Secrets.Read), budget(c))
	if err := share(ctx, &cfg, c, svc); err != nil {
		return nil, err
	}
	client, err := xingchen.New(cfg)
	if err != nil {
		return nil, err
	}
	return xingchenReader{client}, nil
}

// OpenKIS makes the reader of one account set of KIS. kis.Configure lists the settings.
func OpenKIS(ctx context.Context, c flow.Connection, svc *service.Service) (poll.Reader, error) {
	cfg := kis.Configure(c.Getter(svc.Secrets.Read), budget(c))
	if err := share(ctx, &cfg.Config, c, svc); err != nil {
		return nil, err
	}
	client, err := kis.New(cfg)
	if err != nil {
		return nil, err
	}
	return kisReader{client, svc.Log.With("connection", c.Name)}, nil
}

// share lets a client have the session that all replicas of all services share.
func share(ctx context.Context, cfg *kingdee.Config, c flow.Connection, svc *service.Service) error {
	tokens, err := token.For(ctx, svc.JS)
	if err != nil {
		return err
	}
	cfg.Tokens, cfg.Version, cfg.Log = tokens, svc.Version, svc.Log.With("connection", c.Name)
	return nil
}
