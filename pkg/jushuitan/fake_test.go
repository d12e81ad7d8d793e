package jushuitan_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/jushuitan"
)

const (
	appKey    = "sandbox-app-key-0001"
	appSecret = "sandbox-secret-0001"
	access    = "sandbox-access-token-0001"
	refresh   = "sandbox-refresh-token-0001"
	shops     = "/open/shops/query"
	emptyPage = `{"code":0,"msg":"执行成功","data":{"page_index":1,"page_size":100,"has_next":false,"datas":null}}`
)

// arrival is one request as the vendor saw it.
type arrival struct {
	at   time.Time
	path string
	form url.Values
}

// vendor imitates the gateway: it checks what every request must hold, with a signature
// of its own, and answers what the test says. It is a RoundTripper, so that a test can run
// on synctest's clock, and a Handler for the tests that need a network.
type vendor struct {
	t      *testing.T
	answer func(a arrival, n int) (status int, body string) // n counts from 1

	mu       sync.Mutex
	arrivals []arrival
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Errorf("read request: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		v.t.Errorf("form: %v", err)
	}
	v.check(r, form)
	a := arrival{time.Now(), r.URL.Path, form}
	v.mu.Lock()
	v.arrivals = append(v.arrivals, a)
	n := len(v.arrivals)
	v.mu.Unlock()
	status, text := v.answer(a, n)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Result(), context.Cause(r.Context())
}

func (v *vendor) check(r *http.Request, form url.Values) {
	if r.Method != http.MethodPost || r.URL.RawQuery != "" {
		v.t.Errorf("%s %s: want POST without a query", r.Method, r.URL)
	}
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/x-www-form-urlencoded") {
		v.t.Errorf("Content-Type = %q", ct)
	}
	if ua := r.Header.Get("User-Agent"); ua != "erpstream/dev" {
		v.t.Errorf("User-Agent = %q", ua)
	}
	want := "app_key charset sign timestamp "
	if strings.HasPrefix(r.URL.Path, "/open/") {
		want += "access_token biz version "
	} else {
		want += "grant_type "
	}
	for key, values := range form {
		if values[0] == "" {
			v.t.Errorf("%s: %s is empty", r.URL.Path, key)
		}
	}
	for key := range strings.FieldsSeq(want) {
		if form.Get(key) == "" {
			v.t.Errorf("%s: no %s", r.URL.Path, key)
		}
	}
	stamp, _ := strconv.ParseInt(form.Get("timestamp"), 10, 64)
	if off := time.Since(time.Unix(stamp, 0)); off < -2*time.Second || off > 2*time.Second {
		v.t.Errorf("%s: timestamp is off by %v", r.URL.Path, off)
	}
	if got, want := form.Get("sign"), vendorSign(form); got != want {
		v.t.Errorf("%s: sign = %s, want %s", r.URL.Path, got, want)
	}
}

// vendorSign is the vendor's rule, written again from its description.
func vendorSign(form url.Values) string {
	var pairs []string
	for key, values := range form {
		if key != "sign" {
			pairs = append(pairs, key+"\x00"+values[0])
		}
	}
	sort.Strings(pairs)
	src := appSecret + strings.ReplaceAll(strings.Join(pairs, ""), "\x00", "")
	return fmt.Sprintf("%x", md5.Sum([]byte(src)))
}

// seen returns the arrivals so far, of paths that begin with prefix.
func (v *vendor) seen(prefix string) []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []arrival
	for _, a := range v.arrivals {
		if strings.HasPrefix(a.path, prefix) {
			out = append(out, a)
		}
	}
	return out
}

// paths returns the last path elements of all arrivals, to compare with a story.
func (v *vendor) paths() string {
	var out []string
	for _, a := range v.seen("") {
		if strings.HasPrefix(a.path, "/open/") {
			out = append(out, "call:"+a.form.Get("access_token"))
		} else {
			out = append(out, a.path[strings.LastIndex(a.path, "/")+1:])
		}
	}
	return strings.Join(out, " ")
}

// secrets is a source of secrets that a test may change.
type secrets map[string]string

func (s secrets) get(field string) (string, error) {
	if v, ok := s[field]; ok {
		return v + "\n", nil // as a file ends
	}
	return "", fs.ErrNotExist
}

func given() secrets { return secrets{"app_secret": appSecret, "access_token": access} }

// newClient returns a client of v; change may set more of its configuration.
func newClient(t *testing.T, v *vendor, s secrets, change func(*jushuitan.Config)) *jushuitan.Client {
	t.Helper()
	cfg := jushuitan.Config{AppKey: appKey, Secrets: s.get}
	if v != nil {
		v.t = t
		cfg.HTTP = &http.Client{Transport: v}
	}
	if change != nil {
		change(&cfg)
	}
	c, err := jushuitan.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// always answers every request alike.
func always(status int, body string) func(arrival, int) (int, string) {
	return func(arrival, int) (int, string) { return status, body }
}

// refusal is an answer of the vendor with a code.
func refusal(code int, msg string) string {
	return fmt.Sprintf(`{"code":%d,"msg":%s,"data":null}`, code, quote(msg))
}

func tokenAnswer(access, refresh string, in time.Duration) string {
	return fmt.Sprintf(`{"code":0,"msg":"执行成功","data":{"access_token":%q,"refresh_token":%q,"expires_in":%d,"scope":"all"}}`,
		access, refresh, int(in.Seconds()))
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// brokenStore is a TokenStore whose Save fails as long as it is told to.
type brokenStore struct {
	jushuitan.MemoryStore
	mu     sync.Mutex
	broken bool
	saves  int
}

func (s *brokenStore) Save(ctx context.Context, t jushuitan.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	if s.broken {
		return errors.New("bucket is read-only")
	}
	return s.MemoryStore.Save(ctx, t)
}
