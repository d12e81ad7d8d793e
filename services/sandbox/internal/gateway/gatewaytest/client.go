// Package gatewaytest calls the imitated gateway in tests, with signatures of its own.
package gatewaytest

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/clocktest"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/sign"
)

// The app, as the defaults of the gateway have it.
const (
	ClientID     = "200421"
	ClientSecret = "0123456789abcdef0123456789abcdef"
)

// NewClock returns a clock that shows 2025-10-10 09:00:00 in Shanghai.
func NewClock() *clocktest.Clock {
	return clocktest.At(time.Date(2025, 10, 10, 9, 0, 0, 0, dataset.Shanghai))
}

// Client calls a server at a URL.
type Client struct {
	T     testing.TB
	URL   string
	Clock *clocktest.Clock
	nonce int
}

// Request is a call. Header replaces and, with empty values, removes headers.
type Request struct {
	Method, Path, Query, Body string
	Header                    map[string]string
}

// Reply is an answer as a client sees it. Data is nil where there is none.
type Reply struct {
	Status int             `json:"-"`
	Code   int             `json:"errcode"`
	Text   string          `json:"description"`
	Cn     string          `json:"description_cn"`
	Data   json.RawMessage `json:"data"`
	Body   string          `json:"-"`
}

// Into decodes the data of a reply. Numbers without a type stay as they were written.
func (r Reply) Into(t testing.TB, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(r.Data)))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("data of %s: %v", r.Body, err)
	}
}

// Signed returns the headers of a signed call.
func (c *Client) Signed(r Request) map[string]string {
	c.nonce++
	nonce, stamp := strconv.Itoa(1_000_000_000+c.nonce), strconv.FormatInt(c.Clock.Now().UnixMilli(), 10)
	signed := sign.Request{Method: r.Method, Path: r.Path, Query: sign.QueryLine(r.Query), Nonce: nonce, Timestamp: stamp}
	return map[string]string{
		"Content-Type": "application/json", "X-Api-ClientID": ClientID, "X-Api-Auth-Version": "2.0", "X-Api-TimeStamp": stamp,
		"X-Api-Nonce": nonce, "X-Api-SignHeaders": "X-Api-TimeStamp,X-Api-Nonce", "X-Api-Signature": signed.Signature(ClientSecret),
	}
}

// CallSigned sends a signed call.
func (c *Client) CallSigned(r Request) Reply {
	c.T.Helper()
	header := c.Signed(r)
	maps.Copy(header, r.Header)
	r.Header = header
	return c.Call(r)
}

// Call sends a call and reads its answer, which has to be JSON.
func (c *Client) Call(r Request) Reply {
	c.T.Helper()
	reply, err := c.Try(r)
	if err != nil {
		c.T.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}
	if err := json.Unmarshal([]byte(reply.Body), &reply); err != nil {
		c.T.Fatalf("%s %s: status %d, body %q: %v", r.Method, r.Path, reply.Status, reply.Body, err)
	}
	return reply
}

// Try sends a call whose connection may be cut.
func (c *Client) Try(r Request) (Reply, error) {
	c.T.Helper()
	url := c.URL + r.Path
	if r.Query != "" {
		url += "?" + r.Query
	}
	req, err := http.NewRequestWithContext(c.T.Context(), r.Method, url, strings.NewReader(r.Body))
	if err != nil {
		c.T.Fatal(err)
	}
	for name, value := range r.Header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return Reply{}, err
	}
	body, readErr := io.ReadAll(res.Body)
	return Reply{Status: res.StatusCode, Body: string(body)}, cmp.Or(readErr, res.Body.Close())
}

// Authorization is a row of push_app_authorize.
type Authorization struct {
	AppKey, AppSecret, Domain, OuterInstanceID, AccountID string
	Status                                                int
}

// Authorize fetches the account sets of an instance.
func (c *Client) Authorize(instance string) []Authorization {
	c.T.Helper()
	r := c.CallSigned(Request{Method: "POST", Path: "/jdyconnector/app_management/push_app_authorize", Query: "outerInstanceId=" + instance})
	if r.Code != 0 {
		c.T.Fatalf("authorize: %s", r.Body)
	}
	var rows []Authorization
	r.Into(c.T, &rows)
	return rows
}

// Tokens are the data of kingdee_auth_token.
type Tokens struct {
	AppToken    string `json:"app-token"`
	AccessToken string `json:"access_token"`
	AuthData    string `json:"auth_data"`
	Expires     int64  `json:"expires"`
	UID         int    `json:"uid"`
}

// TryToken sends a token call.
func (c *Client) TryToken(appKey, appSecret string) Reply {
	c.T.Helper()
	signature := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(sign.Seal(appSecret, appKey))
	return c.CallSigned(Request{
		Method: "GET", Path: "/jdyconnector/app_management/kingdee_auth_token", Query: "app_key=" + appKey + "&app_signature=" + signature,
	})
}

// Token fetches tokens of the account set with an app key, after the authorisation of its instance.
func (c *Client) Token(instance, appKey string) Tokens {
	c.T.Helper()
	for _, a := range c.Authorize(instance) {
		if a.AppKey != appKey {
			continue
		}
		r := c.TryToken(appKey, a.AppSecret)
		if r.Code != 0 {
			c.T.Fatalf("token: %s", r.Body)
		}
		var tokens Tokens
		r.Into(c.T, &tokens)
		return tokens
	}
	c.T.Fatalf("no app key %s in the authorisation of %s", appKey, instance)
	return Tokens{}
}
