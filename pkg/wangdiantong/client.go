// Package wangdiantong is a client of 旺店通 Wangdiantong: of the enterprise edition (企业版) and the
// flagship edition (旗舰版), each directly or through Taobao's Qimen gateway (奇门). It signs,
// counts pages alike for all four, keeps inside the call limits, reads the envelopes tolerantly and
// says with pkg/fault what an error means.
//
// It knows no method: names, parameters and row keys are the caller's data.
//
//	client, err := wangdiantong.New(wangdiantong.Config{Edition: wangdiantong.Enterprise, SID: sid, AppKey: key, Secrets: readSecret})
//	page, err := client.Page(ctx, wangdiantong.Call{Method: "stockin_order_query", Rows: "stockin_list", Size: 100,
//		Params: map[string]any{"start_time": from, "end_time": to}})
//
// Where a comment states a fact about the vendor it says how sure that is: documented (the vendor's
// documentation, or several independent sources), seen in use (clients in production rely on it),
// assumed (our own careful choice; then it is a setting where that can help).
package wangdiantong

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// Client calls the API for one account. It is safe for concurrent use; all calls share one budget
// and are made one at a time, so an account should have one Client per process.
type Client struct {
	cfg  Config
	http *httpcall.Client
	pace *pace.Limiter
}

// New returns a Client. It checks cfg, naming all faults at once, and calls nobody.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure wangdiantong client: %w", err)
	}
	return &Client{
		cfg:  cfg,
		http: httpcall.New(cfg.HTTP, cfg.Timeout, cfg.MaxBody, cfg.Version),
		pace: pace.New(cfg.Budget),
	}, nil
}

// String names the account without its secrets. It and the next two are methods of the value, so
// that a copy prints no more than the Client.
func (c Client) String() string { return c.cfg.String() }

// GoString is String: no verb of fmt prints more.
func (c Client) GoString() string { return c.cfg.String() }

// LogValue is String for slog.
func (c Client) LogValue() slog.Value { return c.cfg.LogValue() }

// Call is a query for one page.
type Call struct {
	// Method is the query's name: in the enterprise edition the file's (stockin_order_query) or
	// Qimen's (wdt.stockin.order.query), in the flagship edition the documented one, which is taken
	// to be case-sensitive (aftersales.refund.Refund.search); the client derives Qimen's.
	Method string
	// Params are the query's own parameters: text, flags, whole numbers, lists and objects of them.
	// Nulls and what is empty are not sent. Floating-point numbers are refused.
	Params map[string]any
	// Page counts from 0, whatever edition and transport count from.
	Page int
	// Size is the number of documents that a page may hold.
	Size int
	// Rows is the name of the list in the answer.
	Rows string
}

// Page asks for one page of a query.
//
// It blocks: for the account's budget, for other calls of the account, and between attempts, until
// ctx ends; then the error is the cause of that, unclassified. Network and gateway trouble and
// limits are tried again up to Config.Attempts times, each time with a new timestamp; so a request
// may arrive more than once. Every error but that of ctx is classified:
//
//   - Permanent: the request is wrong (class request), or the code is unknown (vendor), or the
//     answer is larger than Config.MaxBody (size)
//   - Busy: rate, concurrency, http, answer (not the vendor's JSON), network, timeout, vendor (its
//     internal error)
//   - Down: credentials, signature, permission, ip, clock, secret, connection
//
// A refusal is an *Error in the chain. No error carries a secret.
func (c *Client) Page(ctx context.Context, call Call) (Page, error) {
	q, err := c.query(call)
	if err != nil {
		return Page{}, fault.Permanent("request", fmt.Errorf("wangdiantong %s: %w", call.Method, err))
	}
	o, err := c.exchange(ctx, q)
	if remedyFor(err) == nothing {
		return newPage(nil, c.nothingTotal(q), q, ""), nil
	}
	if err != nil {
		return Page{}, err
	}
	page, err := c.page(o, q)
	if err != nil {
		return Page{}, fault.Busy("answer", 0, fmt.Errorf("wangdiantong %s: %w", call.Method, err))
	}
	return page, nil
}

// Rest makes the next call keep its distance from one that another process may just have made.
func (c *Client) Rest() { c.pace.Rest() }

// Skew is that of httpcall.Client: how far the vendor's clock is ahead, at least and at most.
func (c *Client) Skew() (least, most time.Duration) { return c.http.Skew() }

// Now returns the time of the flagship edition's own clock, to the second, for the skew of this
// machine's: more than two minutes are refused. The enterprise edition has no such method.
// Blocking and errors are those of Page.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	q := query{method: "system.Core.now"}
	if c.cfg.Edition != Flagship {
		return time.Time{}, fault.Permanent("request", errors.New("the enterprise edition has no clock to ask"))
	}
	o, err := c.exchange(ctx, q)
	if err != nil {
		return time.Time{}, err
	}
	text := o.Text("data")
	if inner, err := tolerant.Parse([]byte(text)); err == nil {
		text = inner.Text("now")
	}
	now, err := clockTime(text)
	if err != nil {
		return time.Time{}, fault.Busy("answer", 0, fmt.Errorf("wangdiantong %s: %w", q.method, err))
	}
	return now, nil
}

// query checks a call before anything is sent.
func (c *Client) query(call Call) (query, error) {
	params, err := clean(call.Params)
	q := query{method: call.Method, params: params, pager: &pager{call.Page, call.Size}, rows: call.Rows}
	if err == nil {
		err = q.pager.check()
	}
	switch {
	case err != nil:
		return query{}, err
	case call.Rows == "":
		return query{}, errors.New("the name of the list in the answer is missing")
	case !isMethod(call.Method):
		return query{}, errors.New("the method's name is not made of letters, digits, dots and underscores")
	case c.cfg.Edition == Flagship && c.cfg.Transport == Direct && strings.HasPrefix(call.Method, "wdt."):
		return query{}, errors.New("this is Qimen's name of the method; a direct call needs the documented one, such as aftersales.refund.Refund.search")
	}
	return q, nil
}

// isMethod reports whether name can stand in an address as it is.
func isMethod(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") == ""
}

// nothingTotal is the total of an answer that only says that nothing was found.
func (c *Client) nothingTotal(q query) int {
	if q.first() {
		return 0
	}
	return -1
}

// exchange sends q until it is answered, refused for good, or the attempts are used up. A refused
// timestamp is renewed once, beside the attempts.
func (c *Client) exchange(ctx context.Context, q query) (tolerant.Object, error) {
	restamped := false
	for n := 1; ; n++ {
		o, err := c.once(ctx, q)
		if err == nil {
			return o, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wangdiantong %s: %w", q.method, context.Cause(ctx))
		}
		what := remedyFor(err)
		if what == restamp && !restamped {
			restamped = true
			n--
			continue
		}
		if what != waitRate && what != backOff {
			return nil, err
		}
		wait := c.wait(what, n)
		if n >= c.cfg.Attempts {
			return nil, fault.Spent(err, n, wait)
		}
		c.cfg.Log.DebugContext(ctx, "try again", "method", q.method, "attempt", n, "wait", wait, "err", err)
		if err := pace.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("wangdiantong %s: %w", q.method, err)
		}
	}
}

// wait returns how long to wait after attempt n. What a limit asks for holds back every call of
// the account, also when this one gives up. The first wait lasts to the end of our own minute, if
// that is not long, since the vendor counts by minutes.
func (c *Client) wait(what remedy, n int) time.Duration {
	if what != waitRate {
		return pace.Backoff(500*time.Millisecond, 8*time.Second, n)
	}
	if n > 1 {
		return c.pace.Hold(pace.Backoff(c.cfg.RateWait, 20*c.cfg.RateWait, n))
	}
	first := min(max(c.pace.MinuteLeft(), c.cfg.RateWait), 2*c.cfg.RateWait)
	return c.pace.Hold(pace.Jitter(first))
}

// once makes one attempt, with timestamps and signatures of its own, while no other is made.
func (c *Client) once(ctx context.Context, q query) (o tolerant.Object, err error) {
	err = c.pace.Do(ctx, func(ctx context.Context, _ time.Time) error {
		k, err := c.keys()
		if err != nil {
			return err
		}
		request, hidden, err := c.request(q, k, c.cfg.Now())
		if err != nil {
			return err
		}
		answer, err := c.http.Do(ctx, request)
		if err != nil {
			return fmt.Errorf("wangdiantong %s: %w", q.method, err)
		}
		o, err = c.read(answer, q, hidden)
		return err
	})
	return o, err
}
