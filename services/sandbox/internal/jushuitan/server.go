// Package jushuitan imitates the open platform of Jushuitan (聚水潭): its paths, signatures, order
// of checks, tokens, limits, paging, and the ways in which it is known to be awkward.
package jushuitan

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/poison"
	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
)

// Server is the vendor.
type Server struct {
	settings  Settings
	plan      *faults.Plan
	poison    poison.Plan
	now       func() time.Time
	log       *slog.Logger
	tokens    *tokens
	limiter   *limiter
	stats     *traffic.Counters
	pages     atomic.Int64
	endpoints map[string]endpoint
	requests  atomic.Int64

	receipts feed[*dataset.Receipt]
	otherIns feed[*dataset.OtherIn]
	shops    feed[*dataset.Shop]

	firstPoll sync.Once
	polled    chan struct{} // closed by the first business query
}

// endpoint is what answers the calls of one path.
type endpoint struct {
	business bool
	checks   []func(*call) error
	serve    func(*call) (any, error)
}

// Config is what a Server works with.
type Config struct {
	Settings Settings
	Receipts *dataset.Store[*dataset.Receipt]
	OtherIns *dataset.Store[*dataset.OtherIn]
	Shops    *dataset.Store[*dataset.Shop]
	Faults   *faults.Plan
	// Poison chooses documents to spoil.
	Poison poison.Plan
	// TokenFile keeps the tokens over a restart; empty: they are forgotten.
	TokenFile string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// New returns a Server.
func New(c Config) (*Server, error) {
	if err := c.Settings.Check(); err != nil {
		return nil, err
	}
	tokens, err := openTokens(c.Settings, c.TokenFile)
	if err != nil {
		return nil, err
	}
	s := &Server{
		settings: c.Settings, plan: c.Faults, poison: c.Poison, now: c.Now, log: c.Log,
		tokens: tokens, limiter: newLimiter(c.Settings), stats: traffic.NewCounters(), polled: make(chan struct{}),
		receipts: newFeed(c.Settings, FeedPurchaseIn, c.Receipts, dataset.Change{}),
		otherIns: newFeed(c.Settings, FeedOtherIn, c.OtherIns, dataset.Change{}),
		shops:    newFeed(c.Settings, FeedShops, c.Shops, dataset.Change{Status: dataset.Disabled}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	auth := func(serve func(*call) (any, error)) endpoint { return endpoint{false, s.authChecks(), serve} }
	business := func(serve func(*call) (any, error)) endpoint {
		return endpoint{true, s.businessChecks(), serve}
	}
	s.endpoints = map[string]endpoint{
		"/openWeb/auth/getInitToken":    auth(s.initToken),
		"/openWebIsv/auth/getInitToken": auth(s.initToken), // so in the vendor's test environment
		"/openWeb/auth/accessToken":     auth(s.accessToken),
		"/openWeb/auth/refreshToken":    auth(s.refreshToken),
		PurchaseIn:                      business(s.purchaseIn),
		PurchaseInNewer:                 business(s.purchaseIn),
		OtherInOut:                      business(s.otherInOut),
		ShopsQuery:                      business(s.shopsQuery),
	}
	return s, nil
}

// Paths returns all paths there are, sorted.
func (s *Server) Paths() []string {
	var paths []string
	for path := range s.endpoints {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Stats returns what was seen so far.
func (s *Server) Stats() Stats {
	st := Stats{
		Stats: s.stats.Stats(), Pages: int(s.pages.Load()),
		Edits: map[string]int{}, EditsRemaining: s.EditsRemaining(),
	}
	for _, made := range []map[dataset.Cause]int{s.receipts.store.Edits(), s.otherIns.store.Edits(), s.shops.store.Edits()} {
		for cause, n := range made {
			st.Edits[string(cause)] += n
		}
	}
	return st
}

// ServeHTTP answers a call, unless a fault has it otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, known := s.endpoints[r.URL.Path]
	if !known {
		s.stats.Call("unknown", false, s.now())
		s.reply(w, http.StatusNotFound, e, &call{path: r.URL.Path, now: s.now()}, nil, errNoInterface)
		return
	}
	s.stats.Call(r.URL.Path, e.business, s.now())
	struck := s.plan.Take(r.URL.Path, e.business)
	c, err := s.readCall(w, r) // before anything slow: only then does the server notice who hangs up
	if struck.AtGateway(w, r, webPage, s.stats.Failed) {
		return
	}
	c.now, c.struck = s.now(), struck
	var data any
	if err == nil {
		data, err = s.answer(e, c)
	}
	if _, cut := struck[faults.CutAfter]; cut {
		s.stats.Failed()
		panic(http.ErrAbortHandler)
	}
	s.reply(struck.Within(w), http.StatusOK, e, c, data, err)
}

// answer lets c pass the checks and then the endpoint.
func (s *Server) answer(e endpoint, c *call) (any, error) {
	for _, check := range e.checks {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	if e.business {
		s.firstPoll.Do(func() {
			s.log.Info("first business query", "path", c.path)
			close(s.polled)
		})
	}
	return e.serve(c)
}

// reply sends data, or the refusal that err is.
func (s *Server) reply(w http.ResponseWriter, status int, e endpoint, c *call, data any, err error) {
	a := answer{Msg: "执行成功", Data: data}
	if err != nil {
		refused, ok := errors.AsType[refusal](err)
		if !ok {
			s.log.Error("answer call", "path", c.path, "err", err)
			refused = errInternal
		}
		a.Code, a.Msg, a.Data = refused.code, refused.msg, nil
	}
	if s.settings.RequestID {
		a.RequestID = fmt.Sprintf("sandbox-%08d", s.requests.Add(1))
	}
	s.stats.Answered(a.Code, e.business, c.now)
	s.log.Debug("call", "path", c.path, "code", a.Code, "request_id", a.RequestID)
	if err := a.write(w, status); err != nil {
		s.log.Debug("send answer", "path", c.path, "err", err)
	}
}

// webPage is what a gateway says that has lost its way.
const webPage = "<!DOCTYPE html>\n<html><head><title>系统繁忙</title></head><body><h1>系统繁忙，请稍后再试</h1></body></html>\n"
