// Package kis imitates the API of 金蝶 KIS 私有云: other inbound bills and master data of one account
// set, on a customer's machine behind Kingdee's gateway.
package kis

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Row is one object as the control page shows it.
type Row = map[string]any

// Config is what a Server works with.
type Config struct {
	Settings Settings
	World    *world.World
	// Gateway checks tokens that came from the gateway (flow S).
	Gateway *gateway.Server
	Faults  *faults.Plan
	// File keeps bills and the session of the user over a restart; empty: they are forgotten.
	File string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// endpoint answers the calls of one path.
type endpoint struct {
	// name is the path in its usual spelling.
	name string
	// business calls go to the customer's machine; the others sign in.
	business bool
	serve    func(*gateway.Call, shape.Object) (any, error)
}

// Server is the vendor. Its methods may be called at once.
type Server struct {
	settings  Settings
	gateway   *gateway.Server
	door      *gateway.Door
	now       func() time.Time
	calls     gateway.Seen
	base      *base
	books     *books
	endpoints map[string]endpoint // by path in lower case

	mu      sync.Mutex
	offline outage
}

// outage is a time in which the customer's machine does not answer.
type outage struct {
	until time.Time
	code  int
}

// New returns a Server with what the file keeps.
func New(c Config) (*Server, error) {
	if err := c.Settings.Check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if share := c.Settings.LostReplies; share > 0 {
		if _, err := c.Faults.Add(faults.Fault{Kind: faults.LostReply, Count: math.MaxInt32, Probability: share}); err != nil {
			return nil, fmt.Errorf("plan faults of kis: %w", err)
		}
	}
	books, err := openBooks(c.File, c.Settings.User, c.Now())
	if err != nil {
		return nil, err
	}
	tooMany := gateway.ErrTooMany
	tooMany.Status = c.Settings.LimitStatus
	s := &Server{
		settings: c.Settings, gateway: c.Gateway, now: c.Now, base: newBase(c.World, c.Settings.DuplicateSKUs), books: books,
		door: gateway.NewDoor(gateway.DoorConfig{
			Faults: c.Faults, Now: c.Now, Log: c.Log, PerMinute: c.Settings.PerMinute, AtOnce: 1, TooMany: tooMany,
		}),
		endpoints: map[string]endpoint{},
	}
	s.route()
	return s, nil
}

// route fills in the endpoints.
func (s *Server) route() {
	add := func(business bool, name string, serve func(*gateway.Call, shape.Object) (any, error)) {
		s.endpoints[strings.ToLower(name)] = endpoint{name, business, serve}
	}
	for name, serve := range s.sessionCalls() {
		add(false, "/koas/user/"+name, serve)
	}
	for name, serve := range s.baseCalls() {
		add(true, "/koas/APP006992/api/"+name, serve)
	}
	for name, serve := range s.billCalls() {
		add(true, "/koas/app007104/api/miscellaneousreceipt/"+name, serve)
	}
}

// Paths returns all paths there are, sorted.
func (s *Server) Paths() []string {
	var paths []string
	for _, e := range s.endpoints {
		paths = append(paths, e.name)
	}
	slices.Sort(paths)
	return paths
}

// Stats returns what was seen so far.
func (s *Server) Stats() gateway.Stats { return s.door.Stats() }

// Close ends the Server. Nothing is left to be written.
func (s *Server) Close() error { return s.books.close() }

// Offline takes the customer's machine off the net for d: its calls get errcode 5003.
func (s *Server) Offline(d time.Duration) { s.unplug(s.now().Add(d), gateway.ErrUnavailable.Code) }

func (s *Server) unplug(until time.Time, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offline = outage{until, code}
}

// ServeHTTP answers a call, unless a fault has it otherwise. The letter case of paths does not count:
// clients in the field write them differently.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, known := s.endpoints[strings.ToLower(r.URL.Path)]
	if !known {
		e = endpoint{r.URL.Path, true, func(*gateway.Call, shape.Object) (any, error) { return nil, gateway.ErrNotFound }}
	}
	s.door.Serve(w, r, e.name, e.business, func(c *gateway.Call) (any, error) {
		if err := s.checkHeaders(c); err != nil {
			return nil, err
		}
		if e.business {
			if err := s.pass(c); err != nil {
				return nil, err
			}
		}
		body, err := s.readBody(c)
		if err != nil {
			return nil, err
		}
		return e.serve(c, body)
	})
}

// checkHeaders refuses what every call has to carry. The codes are those of the gateway: for KIS an
// assumption.
func (s *Server) checkHeaders(c *gateway.Call) error {
	h := c.Header
	state, stamp, trace := h.Get("KIS-State"), h.Get("KIS-Timestamp"), h.Get("KIS-TraceID")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case c.Method != http.MethodPost:
		return gateway.ErrMethod
	case h.Get("KIS-Ver") != "1.0":
		return gateway.Refuse(4001, "KIS-Ver is unsupported", "版本不支持")
	case state == "" || trace == "":
		return gateway.Refuse(4007, "KIS-State or KIS-TraceID is empty", "请求头无效")
	case err != nil || c.Now.Sub(time.Unix(seconds, 0)).Abs() > s.settings.ClockSkew:
		return gateway.Refuse(4006, "KIS-Timestamp is invalid", "时间戳无效")
	case s.settings.CallsOnce && !s.calls.First(state+" "+stamp+" "+trace, c.Now):
		return gateway.Refuse(4006, "KIS-State, KIS-Timestamp and KIS-TraceID were used before", "重复请求")
	}
	return nil
}

// pass lets a business call through the gateway to the customer's machine.
func (s *Server) pass(c *gateway.Call) error {
	if err := s.strike(c); err != nil {
		return err
	}
	account, err := s.checkToken(c)
	if err != nil {
		return err
	}
	if err := s.gateway.CheckRouter(c.Request, account); err != nil {
		return err
	}
	if err := s.door.Admit(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.Now.Before(s.offline.until):
		return nil
	case s.offline.code == gateway.ErrTimeout.Code:
		return gateway.ErrTimeout
	default:
		return gateway.ErrUnavailable
	}
}

// strike plays the faults that c meets on its way to the customer's machine.
func (s *Server) strike(c *gateway.Call) error {
	if f, ok := c.Struck[faults.Offline]; ok {
		s.unplug(c.Now.Add(f.Delay()), f.Code)
	}
	if err := s.gateway.Strike(c, gateway.KIS); err != nil {
		return err
	}
	if _, ok := c.Struck[faults.ExpireToken]; ok {
		return s.books.expireSession(c.Now)
	}
	return nil
}

// checkToken takes tokens from the gateway (flow S) and from the session of the user (flow U).
func (s *Server) checkToken(c *gateway.Call) (gateway.Account, error) {
	token, authData := c.URL.Query().Get("access_token"), c.Header.Get("KIS-AuthData")
	session := s.books.userSession()
	if token == "" || token != session.AccessToken {
		return s.gateway.CheckAccessToken(token, authData, c.Now)
	}
	account, known := s.gateway.AccountOf(gateway.KIS)
	switch {
	case !known || authData == "" || authData != session.AuthData:
		return gateway.Account{}, errToken
	case !c.Now.Before(session.AccessExpires):
		return gateway.Account{}, errExpired
	}
	return account, nil
}

// The refusals of tokens have the codes of the gateway: for KIS an assumption.
var (
	errToken   = gateway.Refuse(4010, "access token is invalid", "访问令牌无效")
	errExpired = gateway.Refuse(4011, "access token is expired", "访问令牌已过期")
)

// readBody returns the body of c, which is one JSON object. The text was seen in use.
func (s *Server) readBody(c *gateway.Call) (shape.Object, error) {
	body, err := shape.Decode(c.Text)
	if err != nil {
		return nil, inner("403-ParseRequestContent:{}请求参数转换成JSON对象异常")
	}
	for name, value := range body {
		if !strings.EqualFold(name, "AccountDB") {
			continue
		}
		delete(body, name)
		if db := shape.Scalar(value); s.settings.AccountDB != "" && db != "" && db != s.settings.AccountDB {
			return nil, refuse("账套数据库[%s]不存在", db)
		}
	}
	return body, nil
}

// codeInner is the errcode of nearly all failures of the customer's machine. Seen in use.
const codeInner = 10201

func inner(reason string) error {
	return gateway.Business(codeInner, "业务接口返回失败结果，失败原因：%s", reason)
}

// refuse returns a refusal of the business interface. Inner code and words are assumed.
func refuse(format string, args ...any) error { return inner("202-" + fmt.Sprintf(format, args...)) }

// maxPage is the most rows of a page: an assumption.
const maxPage = 100

// listReply returns the page of rows that body asks for; row makes one of them.
func listReply[T any](body shape.Object, all []T, row func(T) Row) (Row, error) {
	read, err := shape.Rules{IgnoreUnknown: true}.Read(body, shape.Fields{"CurrentPage": {Kind: shape.ID}, "ItemsOfPage": {Kind: shape.ID}})
	if err != nil {
		return nil, refuse("请求参数不正确：%v", err)
	}
	number, size := max(whole(read["CurrentPage"]), 1), whole(read["ItemsOfPage"])
	if size < 1 {
		size = 10
	}
	size = min(size, maxPage)
	total := int64(len(all))
	rows, pages := gateway.Page(all, number, size, row)
	return Row{
		"List": rows, "CurrentPage": number, "ItemsOfPage": size, "TotalItems": total, "TotalPages": pages, "HasNextPage": number < pages,
	}, nil
}

// whole returns a decoded whole number, or its digits as text; 0 for anything else.
func whole(v any) int64 {
	n, err := strconv.ParseInt(shape.Scalar(v), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// exact returns the text of a number as a JSON number.
func exact(text string) json.Number { return json.Number(text) }
