// Package xingchen imitates 金蝶云星辰 V2: customers, stock bills and master data of one account set,
// with the checks of its API and the ways in which it is known to be awkward.
package xingchen

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
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
	// Gateway checks the signatures and tokens of calls.
	Gateway *gateway.Server
	Faults  *faults.Plan
	// File keeps what was saved over a restart; empty: it is forgotten.
	File string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// handler answers a call that has passed the gateway.
type handler func(*gateway.Call) (any, error)

// Server is the vendor. Its methods may be called at once.
type Server struct {
	settings  Settings
	gateway   *gateway.Server
	door      *gateway.Door
	rules     shape.Rules
	now       func() time.Time
	books     *books
	base      *base
	endpoints map[string]map[string]handler // by path and HTTP method
}

// New returns a Server with what the file keeps.
func New(c Config) (*Server, error) {
	if err := c.Settings.Check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := planned(c); err != nil {
		return nil, err
	}
	books, err := openBooks(c.File)
	if err != nil {
		return nil, err
	}
	s := &Server{
		settings: c.Settings, gateway: c.Gateway, now: c.Now, books: books, base: newBase(c.World),
		door: gateway.NewDoor(gateway.DoorConfig{
			Faults: c.Faults, Now: c.Now, Log: c.Log, PerMinute: c.Settings.PerMinute, TooMany: gateway.ErrTooMany,
		}),
		rules: shape.Rules{IgnoreUnknown: c.Settings.UnknownFields == "ignore", Lenient: c.Settings.Types == "lenient"},
	}
	s.endpoints = s.routes()
	return s, nil
}

// planned puts the faults that the settings ask for into the plan, for good.
func planned(c Config) error {
	audit := faults.AuditDraft
	if c.Settings.AuditFailure == "rollback" {
		audit = faults.AuditRollback
	}
	for kind, share := range map[faults.Kind]float64{faults.LostReply: c.Settings.LostReplies, audit: c.Settings.AuditFailures} {
		if share == 0 {
			continue
		}
		if _, err := c.Faults.Add(faults.Fault{Kind: kind, Count: math.MaxInt32, Probability: share}); err != nil {
			return fmt.Errorf("plan faults of xingchen: %w", err)
		}
	}
	return nil
}

func (s *Server) routes() map[string]map[string]handler {
	read := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	routes := map[string]map[string]handler{
		"/jdy/v2/bd/customer":             {http.MethodGet: s.listCustomers, http.MethodPost: s.saveCustomer},
		"/jdy/v2/bd/customer_detail":      read(s.customerDetail),
		"/jdy/v2/bd/material_unit":        read(s.listMaterialUnits),
		"/jdy/v2/bd/material_unit_detail": read(s.materialUnitDetail),
		"/jdy/v2/sys/common_operate":      {http.MethodPost: s.operate},
	}
	for _, kind := range baseKinds {
		routes["/jdy/v2/bd/"+kind.name] = read(s.listBase(kind))
		routes["/jdy/v2/bd/"+kind.name+"_detail"] = read(s.baseDetail(kind))
	}
	for _, kind := range billKinds() {
		routes[kind.path] = map[string]handler{http.MethodGet: s.listBills(kind), http.MethodPost: s.saveBill(kind)}
		routes[kind.path+"_detail"] = read(s.billDetail(kind))
	}
	return routes
}

// Paths returns all paths there are, sorted.
func (s *Server) Paths() []string { return slices.Sorted(maps.Keys(s.endpoints)) }

// Stats returns what was seen so far.
func (s *Server) Stats() gateway.Stats { return s.door.Stats() }

// Close ends the Server. Nothing is left to be written.
func (s *Server) Close() error { return s.books.close() }

// ServeHTTP answers a call, unless a fault has it otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.door.Serve(w, r, r.URL.Path, true, func(c *gateway.Call) (any, error) {
		serve, err := s.pass(c)
		if err != nil {
			return nil, err
		}
		return serve(c)
	})
}

// pass lets c through the gateway and returns what answers it.
func (s *Server) pass(c *gateway.Call) (handler, error) {
	if err := s.gateway.CheckSigned(c.Request, c.Now); err != nil {
		return nil, err
	}
	if err := s.gateway.Strike(c, gateway.Xingchen); err != nil {
		return nil, err
	}
	account, err := s.gateway.CheckAppToken(c.Header.Get("app-token"), gateway.Xingchen, c.Now)
	if err != nil {
		return nil, err
	}
	if err := s.gateway.CheckRouter(c.Request, account); err != nil {
		return nil, err
	}
	methods, known := s.endpoints[c.Name]
	if !known {
		return nil, gateway.ErrNotFound
	}
	serve, allowed := methods[c.Method]
	if !allowed {
		return nil, gateway.ErrMethod
	}
	return serve, s.door.Admit(c)
}

// codeRefused is the errcode of all that the product itself refuses: an assumption.
const codeRefused = 2000002001

// refuse returns a refusal of the product in its words.
func refuse(format string, args ...any) error {
	return gateway.Business(codeRefused, format, args...)
}

// errNoData is seen in use where an id or number is unknown.
var errNoData = refuse("数据不存在")

// read returns the body of c, checked against fields. The texts are assumed but for "invalid value".
func (s *Server) read(c *gateway.Call, fields shape.Fields) (shape.Object, error) {
	body, err := shape.Decode(c.Text)
	if err != nil {
		return nil, refuse("proto: syntax error: %.80s", err)
	}
	object, err := s.rules.Read(body, fields)
	if err != nil {
		return nil, refuse("proto: %v", err)
	}
	return object, nil
}
