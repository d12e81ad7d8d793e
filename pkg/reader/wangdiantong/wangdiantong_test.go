package wangdiantong

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/service"
)

// samples are recorded answers, one for each feed.
const samples = "../../feed/catalog/samples"

// settings of the demo accounts; what a transport does not need is there all the same.
var settings = map[string]map[string]string{
	"enterprise": {"edition": "enterprise", "sid": "demo2", "app_key": "demo2-test", "top_app_key": "12345678"},
	"flagship":   {"edition": "flagship", "sid": "wdtdemo3", "app_key": "demo3-test", "top_app_key": "12345678"},
}

// account opens the reader of one edition over one transport, its gateway being handler.
func account(t *testing.T, edition, transport string, handler http.HandlerFunc) poll.Reader {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	for field, value := range map[string]string{"app_secret": "secret:salt", "top_app_secret": "topsecret"} {
		path := filepath.Join(dir, "wdt-main", field)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(value+"\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	c := flow.Connection{
		Name: "wdt-main", System: "wangdiantong", Endpoint: srv.URL,
		Budget: flow.Budget{PerMinute: 1e9}, Settings: map[string]string{"transport": transport},
	}
	maps.Copy(c.Settings, settings[edition])
	svc := &service.Service{Secrets: service.Secrets{Dir: dir}, Log: slog.New(slog.DiscardHandler), Version: "test"}
	r, err := Open(t.Context(), c, svc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// query asks a feed for its first page.
func query(f feed.Feed) poll.Query {
	return poll.Query{
		Feed: f, Request: f.Request, Page: f.Paging.Origin, Size: f.Paging.Max,
		From: time.Date(2024, 6, 3, 6, 0, 0, 0, time.UTC), To: time.Date(2024, 6, 3, 6, 59, 59, 0, time.UTC),
	}
}

// TestEveryFeed reads the recorded answer of each feed of the vendor, directly and as Qimen wraps
// it: all documents are found, with key, version and time.
func TestEveryFeed(t *testing.T) {
	n := 0
	for _, name := range feed.Names() {
		f, err := feed.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.System != "wangdiantong" {
			continue
		}
		n++
		for _, transport := range []string{"direct", "qimen"} {
			t.Run(name+" "+transport, func(t *testing.T) { readSample(t, f, transport) })
		}
	}
	if n < 30 {
		t.Errorf("%d feeds, want all of both editions", n)
	}
}

func readSample(t *testing.T, f feed.Feed, transport string) {
	sample, err := os.ReadFile(filepath.Join(samples, f.Name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r := account(t, f.Edition, transport, func(w http.ResponseWriter, _ *http.Request) {
		if transport == "qimen" {
			fmt.Fprintf(w, `{"response":%s}`, strings.Replace(string(sample), `"code"`, `"errorcode"`, 1))
			return
		}
		w.Write(sample)
	})
	page, err := r.Read(t.Context(), query(f))
	if err != nil || len(page.Rows) == 0 || page.Total != len(page.Rows) || page.HasNext {
		t.Fatalf("%d rows of %d, next %v, %v", len(page.Rows), page.Total, page.HasNext, err)
	}
	for _, row := range page.Rows {
		id, err := f.Identify(row)
		if err != nil || id.Key == "" {
			t.Errorf("%+v, %v", id, err)
		}
		if !f.Snapshot && (id.Modified.Year() < 2023 || id.Modified.Year() > 2025 || id.Version != id.Modified.UnixMilli()) {
			t.Errorf("%s was modified %v, version %d", id.Key, id.Modified, id.Version)
		}
	}
}

// What goes to the vendor: the feed's parameters and the source's over them, the window in the
// vendor's zone. The feed itself stays as it is.
func TestRequestOfAWindow(t *testing.T) {
	tests := map[string]struct {
		request map[string]any
		want    string
	}{
		"wangdiantong.stockin":         {map[string]any{"order_type": 4, "status": 10}, "end_time=2024-06-03 14:59:59 order_type=4 page_no=2 page_size=50 start_time=2024-06-03 14:00:00 status=10"},
		"wangdiantong.stockout-sales":  {nil, "end_time=2024-06-03 14:59:59 is_by_modified=1 page_no=2 page_size=50 start_time=2024-06-03 14:00:00"},
		"wangdiantong.warehouse":       {nil, "page_no=2 page_size=50"},
		"wangdiantong.flagship-refund": {map[string]any{"status": 90}, `[{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59","status":90}]`},
		"wangdiantong.flagship-shop":   {nil, `[{}]`},
	}
	for name, tt := range tests {
		f, err := feed.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		r := account(t, f.Edition, "direct", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got = business(string(body))
			io.WriteString(w, `{"code":0,"status":0}`)
		})
		q := query(f)
		q.Request, q.Page, q.Size = tt.request, 2, 50
		if _, err := r.Read(t.Context(), q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got != tt.want {
			t.Errorf("%s: sent %s\nwant %s", name, got, tt.want)
		}
		if _, ok := f.Request["start_time"]; ok || f.Request["order_type"] != nil {
			t.Errorf("%s: the feed's own parameters were changed: %v", name, f.Request)
		}
	}
}

// business returns a form without the system's parameters, sorted; JSON as it is.
func business(body string) string {
	if strings.HasPrefix(body, "[") {
		return body
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return err.Error()
	}
	for _, system := range []string{"sid", "appkey", "timestamp", "sign"} {
		form.Del(system)
	}
	text, err := url.QueryUnescape(strings.ReplaceAll(form.Encode(), "&", " "))
	if err != nil {
		return err.Error()
	}
	return text
}

// A feed of the other edition would be an unknown method at the vendor.
func TestOtherEditionIsRefused(t *testing.T) {
	r := account(t, "enterprise", "direct", func(http.ResponseWriter, *http.Request) { t.Error("was called") })
	f, err := feed.Get("wangdiantong.flagship-refund")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), query(f)); !fault.IsPermanent(err) || !strings.Contains(err.Error(), "edition") {
		t.Errorf("err = %v", err)
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	svc := &service.Service{Secrets: service.Secrets{Dir: t.TempDir()}, Log: slog.New(slog.DiscardHandler)}
	for setting, value := range map[string]string{"edition": "web", "rate_wait": "soon"} {
		c := flow.Connection{Name: "wdt-main", Endpoint: "http://127.0.0.1:1", Settings: map[string]string{"edition": "enterprise", "sid": "s", "app_key": "k"}}
		c.Settings[setting] = value
		if _, err := Open(t.Context(), c, svc); err == nil || !strings.Contains(err.Error(), value) {
			t.Errorf("%s %s: err = %v", setting, value, err)
		}
	}
}

// A secret that is not there stops the account and says which file is missing.
func TestMissingSecretNamesItsFile(t *testing.T) {
	svc := &service.Service{Secrets: service.Secrets{Dir: t.TempDir()}, Log: slog.New(slog.DiscardHandler)}
	c := flow.Connection{Name: "wdt-main", Endpoint: "http://127.0.0.1:1", Budget: flow.Budget{PerMinute: 1e9}, Settings: settings["enterprise"]}
	r, err := Open(t.Context(), c, svc)
	if err != nil {
		t.Fatal(err)
	}
	f, err := feed.Get("wangdiantong.stockin")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Read(t.Context(), query(f))
	if fault.KindOf(err) != fault.DownKind || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "wdt-main/app_secret") {
		t.Errorf("err = %v", err)
	}
}
