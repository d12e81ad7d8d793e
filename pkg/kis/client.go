// Package kis is a client of 金蝶 KIS 私有云 (Kingdee KIS behind the cloud gateway, paths /koas/…): it
// logs in, keeps the session alive and shares it between replicas, makes one call at a time inside the
// call limit, reads the vendor's envelope tolerantly and says with pkg/fault what an error means.
//
// It knows no document: paths and bodies are the caller's data.
//
//	client, err := kis.New(kis.Configure(connection.Getter(readSecret), pace.Budget{}))
//	data, err := client.Call(ctx, "app007104/api/miscellaneousreceipt/create", body, kis.Write)
//
// Behind the gateway an agent on the customer's own machine answers: latency, hours offline and errors
// of that machine are part of normal operation. A write is sent once, and no more than once: what its
// error says of the outcome, see Uncertain.
package kis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// DefaultPerMinute is how many calls a minute are made (assumed: the vendor's limit is not known, and
// clients in use wait up to 3 s between calls). Up to 60 no two calls of a client carry the same
// time stamp, which the vendor has in seconds.
const DefaultPerMinute = 60

var (
	// ErrExists says that the number of a document is taken.
	ErrExists = kingdee.ErrExists
	// ErrNotFound says that there is no such document.
	ErrNotFound = kingdee.ErrNotFound
)

// Uncertain reports whether err is that of a write which may have been carried out all the same:
// kingdee.Uncertain lists the cases. An errcode 10201 is the refusal of the account set's own
// software, with its reason in the text, and certain, unless the reason is that it timed out.
func Uncertain(err error) bool { return kingdee.Uncertain(err) }

// Mode says whether a call may be sent again.
type Mode bool

const (
	// Read asks only; the call may be sent several times.
	Read Mode = false
	// Write changes something; the call is sent once.
	Write Mode = true
)

// Config is one account set and how it is called.
type Config struct {
	kingdee.Config
	// Auth is the way to a session. Default ServerAuth.
	Auth Auth
	// AccountDB is the database name of the account set, where an app serves several; "" leaves it out.
	AccountDB string
	// Tokens of UserAuth to begin with, and the session that they came from, each read when it is
	// needed; "" = not given. Only RefreshToken is required.
	RefreshToken, AccessToken, SessionID, SessionSecret func() string
}

// Configure returns the configuration that a connection describes: the settings of kingdee.Configure,
// auth (S or U), account_db, and for U the secrets refresh_auth_data_token (required), access_token,
// session_id and session_secret. Tokens, Log and Version are the caller's to set.
func Configure(get func(name string) string, budget pace.Budget) Config {
	read := func(name string) func() string {
		return func() string { return strings.TrimSpace(get(name)) }
	}
	return Config{
		Config:        kingdee.Configure(get, budget),
		Auth:          Auth(get("auth")),
		AccountDB:     get("account_db"),
		RefreshToken:  read("refresh_auth_data_token"),
		AccessToken:   read("access_token"),
		SessionID:     read("session_id"),
		SessionSecret: read("session_secret"),
	}
}

// Client calls the API for one account set, one call at a time. It is safe for concurrent use; an
// account set should have one Client per process.
type Client struct {
	cfg     Config
	account *kingdee.Account[session]
}

// New returns a Client. It checks cfg, naming all faults at once, and calls nobody.
func New(cfg Config) (*Client, error) {
	login, ahead, err := cfg.login()
	if err != nil {
		return nil, fmt.Errorf("configure kis client: %w", err)
	}
	account, err := kingdee.NewAccount(cfg.Config, kingdee.System[session]{
		PerMinute: DefaultPerMinute, Single: true, Ahead: ahead, Login: login, Prepare: cfg.prepare,
	})
	if err != nil {
		return nil, err
	}
	return &Client{cfg, account}, nil
}

// String names the account without its secrets. It and the next are methods of the value, so that a
// copy prints no more than the Client.
func (c Client) String() string { return "kis: " + c.account.Config().String() }

// GoString is String: no verb of fmt prints more.
func (c Client) GoString() string { return c.String() }

// Rest makes the next call keep its distance from one that another process may just have made.
func (c *Client) Rest() { c.account.Rest() }

// Call sends body to a path and returns the answer's data, bytes untouched. path may leave out /koas/.
// body is a JSON object: text as []byte or json.RawMessage, or any value for encoding/json; nil is {}.
// AccountDB is added to it where the configuration has one and the body has none. Blocking and errors
// are those of kingdee.Account.Do; when Uncertain(err), ask the system before sending again.
func (c *Client) Call(ctx context.Context, path string, body any, mode Mode) (json.RawMessage, error) {
	path = "/koas/" + strings.TrimPrefix(strings.TrimPrefix(path, "/"), "koas/")
	if strings.ContainsAny(path, "?#% \t\r\n") {
		return nil, fault.Permanent("request", fmt.Errorf("kis: path %q carries a query", path))
	}
	text, err := c.encode(body)
	if err != nil {
		return nil, fault.Permanent("request", fmt.Errorf("kis %s: %w", path, err))
	}
	return c.account.Do(ctx, kingdee.Request{Method: http.MethodPost, Path: path, Body: text, Write: bool(mode)})
}

// encode returns the JSON object that is sent; its numbers keep their digits.
func (c *Client) encode(body any) ([]byte, error) {
	var text []byte
	switch v := body.(type) {
	case nil:
		text = []byte("{}")
	case []byte:
		text = v
	case json.RawMessage:
		text = v
	default:
		var err error
		if text, err = marshal(v); err != nil {
			return nil, err
		}
	}
	object, err := tolerant.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if _, given := object["AccountDB"]; given || c.cfg.AccountDB == "" {
		return text, nil
	}
	if object["AccountDB"], err = marshal(c.cfg.AccountDB); err != nil {
		return nil, err
	}
	return marshal(object)
}

func marshal(v any) ([]byte, error) {
	text, err := httpcall.JSON(v)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return text, nil
}

// prepare adds the headers of a business call, each with a state and a trace id of its own.
func (c Config) prepare(_ kingdee.Config, r kingdee.Request, s session, at time.Time) (kingdee.Request, error) {
	if c.replaced(s) {
		return r, fault.Down("token", errors.New("the secret refresh_auth_data_token was replaced"))
	}
	r.Query = kingdee.EncodeQuery(url.Values{"access_token": {s.AccessToken}})
	r.Header = headers(at)
	r.Header.Set("KIS-AuthData", s.AuthData)
	r.Header.Set("X-GW-Router-Addr", s.Router)
	r.Hidden = []string{s.AccessToken, s.AuthData}
	return r, nil
}

// headers are those of every call to /koas/.
func headers(at time.Time) http.Header {
	h := http.Header{}
	h.Set("KIS-State", kingdee.Digits(16))
	h.Set("KIS-Timestamp", strconv.FormatInt(at.Unix(), 10)) // seconds: ms are taken for the year 56207
	h.Set("KIS-TraceID", kingdee.Digits(32))
	h.Set("KIS-Ver", "1.0")
	return h
}

// List is one page of a list.
type List struct {
	// Rows are the documents as the vendor said them, bytes untouched.
	Rows []json.RawMessage
	// Total is the number of matching documents and Pages that of pages; -1 = not given.
	Total, Pages int
	// HasNext says that another page follows. Where the vendor left it out it is true until a page is
	// empty (assumed).
	HasNext bool
}

// DecodeList reads the data of a list, whose rows are in the array of that name: List, GoodItemStocks
// (seen in use). Numbers may be text; the number of pages is TotalPages or TotalPage.
func DecodeList(data json.RawMessage, rows string) (List, error) {
	fields, err := tolerant.Parse(data)
	if err != nil {
		return List{}, fmt.Errorf("data: %w", err)
	}
	list := List{Total: -1, Pages: -1}
	if list.Rows, err = fields.List(rows); err != nil {
		return List{}, err
	}
	for _, number := range []struct {
		name string
		into *int
	}{{"TotalItems", &list.Total}, {"TotalPage", &list.Pages}, {"TotalPages", &list.Pages}} {
		err = errors.Join(err, fields.IntInto(number.into, number.name))
	}
	list.HasNext = len(list.Rows) > 0
	if said, wrong := strconv.ParseBool(strings.ToLower(fields.Text("HasNextPage"))); wrong == nil {
		list.HasNext = said
	}
	return list, err
}

// List reads one page of a list, whose rows are in the array of that name. request holds CurrentPage,
// which counts from 1, ItemsOfPage, and what else the list takes. Errors and blocking are those of Call;
// an answer that is no list is Busy, class answer.
func (c *Client) List(ctx context.Context, path, rows string, request map[string]any) (List, error) {
	data, err := c.Call(ctx, path, request, Read)
	if err != nil {
		return List{}, err
	}
	list, err := DecodeList(data, rows)
	if err != nil {
		return List{}, fault.Busy("answer", 0, fmt.Errorf("kis %s: %w", path, err))
	}
	return list, nil
}

// Details says how the documents of a list are had whole, some at a time: for materials, path
// APP006992/api/Material/GetListDetails, ids ItemIds, rows List, 20 at a time (seen in use).
type Details struct {
	// Path is that of the API. IDs is the parameter that takes the ids, Rows the array of the answer.
	Path, IDs, Rows string
	// Max is how many ids one call takes.
	Max int
}

// Details asks for the documents of these ids, JSON numbers, in as many calls as it takes. The vendor
// may leave some out. Errors and blocking are those of List.
func (c *Client) Details(ctx context.Context, d Details, ids []json.RawMessage) ([]json.RawMessage, error) {
	var documents []json.RawMessage
	for chunk := range slices.Chunk(ids, max(d.Max, 1)) {
		data, err := c.Call(ctx, d.Path, map[string]any{d.IDs: chunk}, Read)
		if err != nil {
			return nil, err
		}
		list, err := DecodeList(data, d.Rows)
		if err != nil {
			return nil, fault.Busy("answer", 0, fmt.Errorf("kis %s: %w", d.Path, err))
		}
		documents = append(documents, list.Rows...)
	}
	return documents, nil
}
