package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/services/sandbox/internal/control"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
	"github.com/erpstream/erpstream/services/sandbox/internal/kis"
	"github.com/erpstream/erpstream/services/sandbox/internal/poison"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
	"github.com/erpstream/erpstream/services/sandbox/internal/xingchen"
)

// vendors are all imitated systems, on one World and, if it is to be kept, in one directory.
type vendors struct {
	late *lateGoods

	jushuitan       *jushuitan.Server
	receipts        *dataset.Store[*dataset.Receipt]
	otherIns        *dataset.Store[*dataset.OtherIn]
	shops           *dataset.Store[*dataset.Shop]
	jushuitanFaults *faults.Plan

	wangdiantong       *wangdiantong.Server
	wangdiantongFaults *faults.Plan

	gateway        *gateway.Server
	gatewayFaults  *faults.Plan
	xingchen       *xingchen.Server
	xingchenFaults *faults.Plan
	kis            *kis.Server
	kisFaults      *faults.Plan

	now     func() time.Time // the clock of the vendors
	poison  poison.Plan
	closers []func() error // in the order of opening
}

// openVendors makes the vendors as c wants them. Close them at the end.
func openVendors(c config, log *slog.Logger) (*vendors, error) {
	v := &vendors{
		jushuitanFaults: faults.NewPlan(c.Dataset.Seed), wangdiantongFaults: faults.NewPlan(c.Dataset.Seed),
		gatewayFaults: faults.NewPlan(c.Dataset.Seed), xingchenFaults: faults.NewPlan(c.Dataset.Seed), kisFaults: faults.NewPlan(c.Dataset.Seed),
		now:    func() time.Time { return time.Now().Add(c.ClockOffset) },
		poison: poison.Plan{Share: c.Poison, Seed: c.Dataset.Seed},
	}
	if err := v.fault(c.Faults); err != nil {
		return nil, err
	}
	if err := v.open(c, log); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// fault gives the vendors the faults that they have from the beginning.
func (v *vendors) fault(all []standing) error {
	plans := map[string]*faults.Plan{
		"jushuitan": v.jushuitanFaults, "wangdiantong": v.wangdiantongFaults,
		"gateway": v.gatewayFaults, gateway.Xingchen: v.xingchenFaults, gateway.KIS: v.kisFaults,
	}
	for _, f := range all {
		plan, known := plans[f.vendor]
		if !known {
			return fmt.Errorf("fault of vendor %q, want one of %q", f.vendor, slices.Sorted(maps.Keys(plans)))
		}
		if _, err := plan.Add(f.fault); err != nil {
			return err
		}
	}
	return nil
}

func (v *vendors) open(c config, log *slog.Logger) error {
	var dir *dataset.Dir
	if c.Data != "" {
		var err error
		if dir, err = dataset.OpenDir(c.Data, c.Dataset); err != nil {
			return err
		}
		v.closeLater(dir.Close)
	}
	w := world.New(c.Dataset.World())
	var err error
	if v.late, err = openLateGoods(w, c.LateAfter, dir.File("released.json"), v.now); err != nil {
		return err
	}
	if err := v.openJushuitan(c, dir, log); err != nil {
		return err
	}
	v.wangdiantong, err = wangdiantong.New(wangdiantong.Config{
		Settings: c.Wangdiantong, World: w, Dir: dir, Faults: v.wangdiantongFaults, Poison: v.poison, Now: v.now, Log: log,
		Data: documents.Params{Records: c.Dataset.Records, Seed: c.Dataset.Seed, Days: c.Dataset.Days, Anchor: c.Dataset.Anchor},
	})
	if err != nil {
		return err
	}
	v.closeLater(v.wangdiantong.Close)
	return v.openFinance(c, dir, log)
}

func (v *vendors) openJushuitan(c config, dir *dataset.Dir, log *slog.Logger) (err error) {
	if v.receipts, err = openStore(v, dir, dataset.Receipts(c.Dataset)); err != nil {
		return err
	}
	if v.otherIns, err = openStore(v, dir, dataset.OtherIns(c.Dataset, v.late.world)); err != nil {
		return err
	}
	if v.shops, err = openStore(v, dir, dataset.Shops(c.Dataset, v.late.world)); err != nil {
		return err
	}
	v.jushuitan, err = jushuitan.New(jushuitan.Config{
		Settings: c.Jushuitan, Receipts: v.receipts, OtherIns: v.otherIns, Shops: v.shops,
		Faults: v.jushuitanFaults, Poison: v.poison, Now: v.now, TokenFile: dir.File("jushuitan-tokens.json"), Log: log,
	})
	return err
}

func openStore[D dataset.Document](v *vendors, dir *dataset.Dir, k dataset.Kind[D]) (*dataset.Store[D], error) {
	s, err := dataset.Open(dir, k)
	if err != nil {
		return nil, err
	}
	v.closeLater(s.Close)
	return s, nil
}

func (v *vendors) openFinance(c config, dir *dataset.Dir, log *slog.Logger) (err error) {
	v.gateway, err = gateway.New(gateway.Config{
		Settings: c.Gateway, Faults: v.gatewayFaults, File: dir.File("kingdee-gateway.json"), Now: v.now, Log: log,
	})
	if err != nil {
		return err
	}
	v.xingchen, err = xingchen.New(xingchen.Config{
		Settings: c.Xingchen, World: v.late.world, Gateway: v.gateway, Faults: v.xingchenFaults,
		File: dir.File("xingchen.journal"), Now: v.now, Log: log,
	})
	if err != nil {
		return err
	}
	v.closeLater(v.xingchen.Close)
	v.kis, err = kis.New(kis.Config{
		Settings: c.KIS, World: v.late.world, Gateway: v.gateway, Faults: v.kisFaults,
		File: dir.File("kis.journal"), Now: v.now, Log: log,
	})
	if err != nil {
		return err
	}
	v.closeLater(v.kis.Close)
	return nil
}

func (v *vendors) closeLater(end func() error) { v.closers = append(v.closers, end) }

// Close ends the vendors. Nothing is left to be written: everything already was.
func (v *vendors) Close() error {
	var errs []error
	for i := range v.closers {
		errs = append(errs, v.closers[len(v.closers)-1-i]())
	}
	return errors.Join(errs...)
}

// run lets time pass for the vendors until ctx ends: documents are edited, late goods released.
func (v *vendors) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.jushuitan.Run(ctx) })
	g.Go(func() error { return v.wangdiantong.Run(ctx) })
	g.Go(func() error { return v.late.run(ctx) })
	return g.Wait()
}

// handler serves all vendors on one address, and the control endpoints beside them. What belongs
// to nobody is Jushuitan's to refuse.
func (v *vendors) handler(c config, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", dated(v.now, v.jushuitan))
	for _, path := range []string{"/openapi2/", "/openapi", "/router/"} {
		mux.Handle(path, dated(v.wangdiantong.Clock, v.wangdiantong))
	}
	for path, system := range map[string]http.Handler{"/jdyconnector/": v.gateway, "/jdy/v2/": v.xingchen, "/koas/": v.kis} {
		mux.Handle(path, dated(v.now, v.late.watch(system)))
	}
	mux.Handle("/_sandbox/", control.New(control.Config{
		Vendors: v.shown(), World: control.World{World: v.late.world, Release: v.late.release}, Params: c.Dataset, Log: log,
	}))
	return mux
}

// dated lets the answers of a vendor bear the time of its clock.
func dated(now func() time.Time, vendor http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		vendor.ServeHTTP(w, r)
	})
}
