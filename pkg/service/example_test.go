package service_test

import (
	"context"
	"errors"
	"time"

	"github.com/erpstream/erpstream/pkg/service"
)

// A whole service: what it is told, and what it does until it is told to stop.
func ExampleMain() {
	type config struct {
		Shop     string
		Interval time.Duration
	}
	readConfig := func(env *service.Env) (config, error) {
		c := config{
			Shop:     env.Required("SHOP", "the shop to read"),
			Interval: env.Duration("POLL_INTERVAL", 30*time.Second, "time between polls"),
		}
		if c.Interval <= 0 {
			env.Fault("POLL_INTERVAL", errors.New("is not more than 0"))
		}
		return c, nil
	}
	run := func(ctx context.Context, cfg config, svc *service.Service) error {
		svc.Log.InfoContext(ctx, "reading", "shop", cfg.Shop)
		<-ctx.Done()
		return ctx.Err()
	}
	service.Main("shopper", readConfig, run)
}
