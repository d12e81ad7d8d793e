// Package wangdiantong imitates the open platform of Wangdiantong (旺店通): its enterprise edition
// (企业版) and its flagship edition (旗舰版), each called directly and through Qimen (奇门), with
// their signatures, order of checks, limits, paging, and the ways in which they are known to be
// awkward.
package wangdiantong

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/poison"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Server is the vendor.
type Server struct {
	// StockIns and Refunds are the documents that it answers from. They may be edited at any time.
	StockIns *dataset.Store[*documents.StockIn]
	Refunds  *dataset.Store[*documents.Refund]

	settings Settings
	world    *world.World
	begin    time.Time // when the data begins
	plan     *faults.Plan
	poison   poison.Plan
	now      func() time.Time
	log      *slog.Logger
	accounts *accounts
	stats    *counters
	requests atomic.Int64
	limited  atomic.Int64 // calls that a limit of the flagship edition refused

	enterprise map[string]endpoint // by name, like stockin_order_query
	flagship   map[string]endpoint // by method, like aftersales.refund.Refund.search
	flagshipQM map[string]string   // method by its name at Qimen, without "wdt."

	stockInFeed feed[*documents.StockIn]
	refundFeed  feed[*documents.Refund]
	firstPoll   sync.Once
	polled      chan struct{} // closed by the first business query
}

// Config is what a Server works with.
type Config struct {
	Settings Settings
	World    *world.World
	// Data is how many documents there are, and when. The types of refunds are those of Settings.
	Data documents.Params
	// Dir keeps edits over a restart; nil: they are forgotten.
	Dir    *dataset.Dir
	Faults *faults.Plan
	// Poison chooses documents to spoil.
	Poison poison.Plan
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// New returns a Server with the documents of c.Data, edited as c.Dir remembers. Close it at the
// end.
func New(c Config) (*Server, error) {
	c.Data.Types = c.Settings.RefundTypes
	if err := errors.Join(c.Settings.Check(), c.Data.Check()); err != nil {
		return nil, err
	}
	stockIns, err := dataset.Open(c.Dir, c.Data.StockIns(c.World))
	if err != nil {
		return nil, err
	}
	refunds, err := dataset.Open(c.Dir, c.Data.Refunds(c.World))
	if err != nil {
		return nil, errors.Join(err, stockIns.Close())
	}
	s := &Server{
		StockIns: stockIns, Refunds: refunds,
		settings: c.Settings, world: c.World, begin: c.Data.Anchor.AddDate(0, 0, -c.Data.Days),
		plan: c.Faults, poison: c.Poison, now: c.Now, log: c.Log, accounts: newAccounts(c.Settings), stats: newCounters(),
		stockInFeed: newFeed(stockIns, dataset.Edits{Prompt: c.Settings.StockInEdits, Late: c.Settings.LateStockIns, LateBy: c.Settings.LateBy}),
		refundFeed:  newFeed(refunds, dataset.Edits{Prompt: c.Settings.RefundEdits, Late: c.Settings.LateRefunds, LateBy: c.Settings.LateBy}),
		polled:      make(chan struct{}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.enterprise, s.flagship = s.enterpriseEndpoints(), s.flagshipEndpoints()
	s.flagshipQM = qimenNames(s.flagship)
	return s, nil
}

// Close ends the stores. Nothing is left to be written: every edit already was.
func (s *Server) Close() error { return errors.Join(s.StockIns.Close(), s.Refunds.Close()) }

// Paths returns the names by which Stats and faults know the APIs, sorted: the path of those of
// the enterprise edition, the method of those of the flagship edition, and the method without
// scene at Qimen.
func (s *Server) Paths() []string {
	var all []string
	for name := range s.enterprise {
		all = append(all, enterprisePath(name), enterpriseMethod(name))
	}
	all = slices.AppendSeq(all, maps.Keys(s.flagship))
	for name := range s.flagshipQM {
		all = append(all, "wdt."+name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Stats returns what was seen so far.
func (s *Server) Stats() Stats {
	st := s.stats.stats()
	st.Accounts = s.accounts.stats()
	st.Edits = map[string]map[dataset.Cause]int{"stockin": s.StockIns.Edits(), "refund": s.Refunds.Edits()}
	st.EditsRemaining = s.EditsRemaining()
	return st
}

// Clock tells the time of the vendor's clock.
func (s *Server) Clock() time.Time { return s.now().Add(s.settings.ClockOffset) }

// ServeHTTP answers a call, unless a fault has it otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.readCall(w, r) // before anything slow: only then does the server notice who hangs up
	if c.door == nil {
		s.stats.call("unknown")
		http.NotFound(w, r)
		return
	}
	c.now = s.Clock()
	s.stats.call(c.api)
	c.struck = s.plan.Take(c.api, c.endpoint.business)
	leave := s.accounts.arrive(c.account, c.now)
	defer leave()
	if c.struck.AtGateway(w, r, webPage, s.stats.failed) {
		return
	}
	var result any
	if err == nil {
		result, err = s.answer(c)
	}
	if _, late := c.struck[faults.TimeoutAfter]; late && err == nil {
		err = c.door.tooLate
	}
	if _, cut := c.struck[faults.CutAfter]; cut {
		s.stats.failed()
		panic(http.ErrAbortHandler)
	}
	s.send(c.struck.Within(w), c, s.envelope(c, result, err))
}

// answer lets c pass the checks and then the endpoint.
func (s *Server) answer(c *call) (any, error) {
	for _, check := range c.door.checks {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	if c.endpoint.business {
		s.firstPoll.Do(func() {
			s.log.Info("first business query", "api", c.api)
			close(s.polled)
		})
	}
	return c.endpoint.serve(c)
}

// envelope puts a result, or the refusal that err is, into the shape of the door that c came by.
func (s *Server) envelope(c *call, result any, err error) any {
	if err == nil {
		s.stats.answered(answeredOK)
		s.accounts.accepted(c.account)
		return c.door.success(c, result)
	}
	refused, ok := errors.AsType[refusal](err)
	if !ok {
		s.log.Error("answer call", "api", c.api, "err", err)
		refused = c.door.internal
	}
	s.stats.answered(refusedBy(c, refused))
	s.log.Debug("refuse call", "api", c.api, "code", refused.code)
	return c.door.refuse(c, refused)
}

// send writes the answer. Refusals have HTTP status 200, too: an assumption.
func (s *Server) send(w http.ResponseWriter, c *call, answer any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		s.log.Error("encode answer", "api", c.api, "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if _, half := c.struck[faults.Truncated]; half {
		body = body[:len(body)/2]
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if _, err := w.Write(body); err != nil {
		s.log.Debug("send answer", "api", c.api, "err", err)
	}
}

// webPage is what a gateway says that has lost its way.
const webPage = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><center><h1>502 Bad Gateway</h1></center></body>\n</html>\n"
