package jushuitan_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/jushuitan"
)

const (
	month   = 30 * 24 * time.Hour
	invalid = "验证失败！无效的access_token或access_token已过期"
)

// account imitates the vendor's side of one token: business calls must carry valid, each
// token endpoint answers what is set for it, and is not to be called when nothing is.
func account(valid string, endpoints map[string]string) func(arrival, int) (int, string) {
	return func(a arrival, _ int) (int, string) {
		name := a.path[strings.LastIndex(a.path, "/")+1:]
		switch answer, ok := endpoints[name]; {
		case ok:
			return 200, answer
		case strings.HasPrefix(a.path, "/open/") && a.form.Get("access_token") == valid:
			return 200, emptyPage
		case strings.HasPrefix(a.path, "/open/"):
			return 200, refusal(100, invalid)
		}
		return 404, "unexpected"
	}
}

func stored(t jushuitan.Token) *jushuitan.MemoryStore {
	m := &jushuitan.MemoryStore{}
	_ = m.Save(context.Background(), t)
	return m
}

// One Call each: what is stored and in the secrets, what the vendor answers, and the
// requests that follow from it.
func TestTokenStories(t *testing.T) {
	self, isv := jushuitan.SelfApp, jushuitan.ISVApp
	soon := func(d time.Duration) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d) }
	tests := []struct {
		name    string
		app     jushuitan.App
		secrets secrets
		stored  jushuitan.Token
		valid   string
		answers map[string]string
		want    string // the requests
		class   string // of the error, "" = none
	}{
		{name: "initial token", app: self, valid: "A",
			answers: map[string]string{"getInitToken": tokenAnswer("A", "R", month)}, want: "getInitToken call:A"},
		{name: "given token", app: self, secrets: secrets{"access_token": "G"}, valid: "G", want: "call:G"},
		{name: "stored token before the given", app: self, secrets: secrets{"access_token": "G"}, stored: jushuitan.Token{Access: "S"}, valid: "S", want: "call:S"},
		{name: "only a refresh token is given", app: self, secrets: secrets{"refresh_token": "R"}, valid: "A",
			answers: map[string]string{"refreshToken": tokenAnswer("A", "R2", month)}, want: "refreshToken call:A"},
		{name: "refused token is refreshed", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(month)}, valid: "A",
			answers: map[string]string{"refreshToken": tokenAnswer("A", "R2", month)}, want: "call:S refreshToken call:A"},
		{name: "refused refresh ends in an initial token", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R"}, valid: "A",
			answers: map[string]string{"refreshToken": refusal(100, "refresh_token无效或已过期"), "getInitToken": tokenAnswer("A", "R2", month)},
			want:    "call:S refreshToken getInitToken call:A"},
		{name: "refresh without effect ends in an initial token", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(month)}, valid: "A",
			answers: map[string]string{"refreshToken": tokenAnswer("S", "R", month), "getInitToken": tokenAnswer("A", "R2", month)},
			want:    "call:S refreshToken getInitToken call:A"},
		{name: "expired token is not even tried", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(-time.Second)}, valid: "A",
			answers: map[string]string{"getInitToken": tokenAnswer("A", "R2", month)}, want: "getInitToken call:A"},
		{name: "second refusal is fatal", app: self, stored: jushuitan.Token{Access: "S"}, valid: "never",
			answers: map[string]string{"getInitToken": tokenAnswer("A", "R", month)}, want: "call:S getInitToken call:A", class: "token"},
		{name: "refresh in time", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(11 * time.Hour)}, valid: "A",
			answers: map[string]string{"refreshToken": tokenAnswer("A", "R2", month)}, want: "refreshToken call:A"},
		{name: "not yet time", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(13 * time.Hour)}, valid: "S", want: "call:S"},
		{name: "refresh in time fails", app: self, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(11 * time.Hour)}, valid: "S",
			answers: map[string]string{"refreshToken": refusal(170, "?")}, want: "refreshToken call:S"},
		{name: "initial token of the wrong app kind", app: self, valid: "A",
			answers: map[string]string{"getInitToken": refusal(21024, "仅支持自有应用")}, want: "getInitToken", class: "token"},
		{name: "any refusal of the token endpoint is the token's", app: self, valid: "A",
			answers: map[string]string{"getInitToken": refusal(130, "传输数据不能为空")}, want: "getInitToken", class: "token"},
		{name: "but a wrong signature is itself", app: self, valid: "A",
			answers: map[string]string{"getInitToken": refusal(10, "验证失败！无效签名")}, want: "getInitToken", class: "signature"},
		{name: "token answer without a token", app: self, valid: "A",
			answers: map[string]string{"getInitToken": `{"code":0,"data":{}}`}, want: "getInitToken", class: "answer"},
		{name: "isv with code", app: isv, secrets: secrets{"code": "c0de"}, valid: "A",
			answers: map[string]string{"accessToken": tokenAnswer("A", "R", month)}, want: "accessToken call:A"},
		{name: "isv without anything", app: isv, valid: "A", class: "token"},
		{name: "isv is not refreshed in time", app: isv, stored: jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: soon(time.Hour)}, valid: "S", want: "call:S"},
		{name: "isv takes a new given token", app: isv, secrets: secrets{"access_token": "G"}, stored: jushuitan.Token{Access: "S"}, valid: "G", want: "call:S call:G"},
		{name: "isv takes a new code", app: isv, secrets: secrets{"code": "c0de"}, stored: jushuitan.Token{Access: "S", ExpiresAt: soon(-1)}, valid: "A",
			answers: map[string]string{"accessToken": tokenAnswer("A", "R", month)}, want: "accessToken call:A"},
		{name: "isv refresh is forbidden", app: isv, stored: jushuitan.Token{Access: "S", Refresh: "R"}, valid: "A",
			answers: map[string]string{"refreshToken": refusal(150, "服务商应用禁止刷新access_token,需商户重新授权")},
			want:    "call:S refreshToken", class: "token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := secrets{"app_secret": appSecret}
				maps.Copy(s, tt.secrets)
				v := &vendor{answer: account(tt.valid, tt.answers)}
				c := newClient(t, v, s, func(cfg *jushuitan.Config) {
					cfg.App = tt.app
					cfg.Tokens = stored(tt.stored)
				})
				_, err := c.Call(t.Context(), shops, nil)
				if got := v.paths(); got != tt.want {
					t.Errorf("requests: %s, want %s", got, tt.want)
				}
				if tt.class == "" && err != nil || tt.class != "" && fault.ClassOf(err) != tt.class {
					t.Errorf("err = %v (%s), want class %q", err, fault.ClassOf(err), tt.class)
				}
				if tt.class == "token" && fault.KindOf(err) != fault.DownKind {
					t.Errorf("err is %v, want down", fault.KindOf(err))
				}
			})
		})
	}
}

// The parameters of the three token calls.
func TestTokenParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := secrets{"app_secret": appSecret}
		v := &vendor{answer: account("A", map[string]string{
			"getInitToken": tokenAnswer("X", "R", month), "refreshToken": tokenAnswer("A", "R", 2*month)})}
		c := newClient(t, v, s, nil)
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Fatal(err)
		}
		initial, renewal := v.seen("/openWeb/auth/getInitToken")[0].form, v.seen("/openWeb/auth/refreshToken")[0].form
		if initial.Get("grant_type") != "authorization_code" || len(initial.Get("code")) != 6 || len(initial) != 6 {
			t.Errorf("getInitToken: %v", initial)
		}
		if renewal.Get("grant_type") != "refresh_token" || renewal.Get("refresh_token") != "R" || renewal.Get("scope") != "all" || len(renewal) != 7 {
			t.Errorf("refreshToken: %v", renewal)
		}
		if got, want := c.TokenExpires(), time.Now().Add(2*month); got.After(want) || got.Before(want.Add(-time.Minute)) {
			t.Errorf("TokenExpires = %v, want about %v", got, want)
		}
	})
}

// Another replica renewed already: its token is taken, the vendor is not asked.
func TestRenewalOfAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := stored(jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: time.Now().Add(month)})
		v := &vendor{answer: account("S", nil)}
		c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.Tokens = store })
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Fatal(err)
		}
		v.answer = account("N", nil)
		_ = store.Save(t.Context(), jushuitan.Token{Access: "N", Refresh: "R2", ExpiresAt: time.Now().Add(month)})
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := v.paths(), "call:S call:S call:N"; got != want {
			t.Errorf("requests: %s, want %s", got, want)
		}
	})
}

// Twenty calls meet a refused token together: it is renewed once. The value may stay the
// same and only its end move.
func TestOneRenewalForAll(t *testing.T) {
	for _, fresh := range []string{"A", "S"} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			renewed := false
			v := &vendor{answer: func(a arrival, _ int) (int, string) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case strings.HasSuffix(a.path, "/refreshToken"):
					mu.Unlock()
					time.Sleep(20 * time.Second) // all callers have been refused by then
					mu.Lock()
					renewed = true
					return 200, tokenAnswer(fresh, "R2", 2*month)
				case renewed && a.form.Get("access_token") == fresh:
					return 200, emptyPage
				}
				return 200, refusal(100, invalid)
			}}
			c := newClient(t, v, given(), func(cfg *jushuitan.Config) {
				cfg.Tokens = stored(jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: time.Now().Add(month)})
			})
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if _, err := c.Call(t.Context(), shops, nil); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			if n := len(v.seen("/openWeb/")); n != 1 {
				t.Errorf("%d renewals, want 1", n)
			}
		})
	}
}

// A call whose token is refused while another call's early refresh fails does not take
// the refused token from it.
func TestRefusedTokenDuringEarlyRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{}
		v.answer = func(a arrival, n int) (int, string) {
			switch {
			case n == 1: // a slow call
				time.Sleep(20 * time.Second)
			case len(v.seen("/openWeb/")) == 1 && strings.HasPrefix(a.path, "/openWeb/"): // a slower refresh
				time.Sleep(30 * time.Second)
				return 200, refusal(170, "?")
			}
			return account("A", map[string]string{"refreshToken": tokenAnswer("A", "R2", month)})(a, n)
		}
		c := newClient(t, v, given(), func(cfg *jushuitan.Config) {
			cfg.Tokens = stored(jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: time.Now().Add(12*time.Hour + 5*time.Second)})
		})
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() {
				if _, err := c.Call(t.Context(), shops, nil); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(10 * time.Second)
		}
		callers.Wait()
		if n := len(v.seen("/openWeb/")); n != 2 {
			t.Errorf("%d refreshes, want 2: %s", n, v.paths())
		}
	})
}

// A refused renewal is not sent again for half a minute; after that the new code counts.
func TestRefusalIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := secrets{"app_secret": appSecret, "code": "old"}
		v := &vendor{answer: func(a arrival, _ int) (int, string) {
			if a.form.Get("code") == "old" {
				return 200, refusal(170, "授权码无效")
			}
			return account("A", map[string]string{"accessToken": tokenAnswer("A", "R", month)})(a, 0)
		}}
		c := newClient(t, v, s, func(cfg *jushuitan.Config) { cfg.App = jushuitan.ISVApp })
		for range 3 {
			_, err := c.Call(t.Context(), shops, nil)
			if fault.ClassOf(err) != "token" || !strings.Contains(err.Error(), "授权码无效") || !strings.Contains(err.Error(), "authorise the app again") {
				t.Errorf("err = %v", err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := c.Call(t.Context(), shops, nil); err == nil || !strings.Contains(err.Error(), "authorise the app again") {
			t.Errorf("a used code: err = %v", err)
		}
		time.Sleep(time.Minute)
		s["code"] = "new"
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Error(err)
		}
		if got, want := v.paths(), "accessToken accessToken call:A"; got != want {
			t.Errorf("requests: %s, want %s", got, want)
		}
	})
}

// A token is used only when it is saved; one that could not be saved is not lost.
func TestSaveBeforeUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{broken: true}
		v := &vendor{answer: account("A", map[string]string{"getInitToken": tokenAnswer("A", "R", month)})}
		c := newClient(t, v, secrets{"app_secret": appSecret}, func(cfg *jushuitan.Config) { cfg.Tokens = store })
		for range 2 {
			if _, err := c.Call(t.Context(), shops, nil); fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != "token-store" {
				t.Errorf("err = %v", err)
			}
		}
		store.broken = false
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Error(err)
		}
		if got, want := v.paths(), "getInitToken call:A"; got != want || store.saves != 3 {
			t.Errorf("requests: %s, %d saves, want %s and 3", got, store.saves, want)
		}
	})
}

// A refresh begins 12 h ahead. One that has no effect is tried again, not with every call.
func TestEarlyRefreshIsRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		end := start.Add(13 * time.Hour)
		v := &vendor{}
		v.answer = func(a arrival, _ int) (int, string) {
			return account("S", map[string]string{"refreshToken": tokenAnswer("S", "R", time.Until(end))})(a, 0)
		}
		c := newClient(t, v, given(), func(cfg *jushuitan.Config) {
			cfg.Tokens = stored(jushuitan.Token{Access: "S", Refresh: "R", ExpiresAt: end})
		})
		for range 3 * 60 {
			time.Sleep(time.Minute)
			if _, err := c.Call(t.Context(), shops, nil); err != nil {
				t.Fatal(err)
			}
		}
		got := v.seen("/openWeb/")
		if len(got) < 2 || len(got) > 3 {
			t.Fatalf("%d refreshes in two hours, want 2 or 3", len(got))
		}
		if first := got[0].at.Sub(start); first < time.Hour || first > time.Hour+2*time.Minute {
			t.Errorf("the first refresh came after %v", first)
		}
	})
}

// A caller that gives up leaves at once; the renewal it began is finished and saved.
func TestRenewalOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &jushuitan.MemoryStore{}
		v := &vendor{answer: func(a arrival, _ int) (int, string) {
			time.Sleep(10 * time.Second)
			return 200, tokenAnswer("A", "R", month)
		}}
		c := newClient(t, v, secrets{"app_secret": appSecret}, func(cfg *jushuitan.Config) { cfg.Tokens = store })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Call(ctx, shops, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("err = %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute)
		if got, _ := store.Load(t.Context()); got.Access != "A" {
			t.Errorf("stored %v", got)
		}
	})
}

// After a renewal the client waits for the gateway before the next call.
func TestTokenSettle(t *testing.T) {
	for settle, want := range map[time.Duration]time.Duration{0: time.Second, -1: 0, 5 * time.Second: 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: account("A", map[string]string{"getInitToken": tokenAnswer("A", "R", month)})}
			c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.TokenSettle = settle })
			if _, err := c.Call(t.Context(), shops, nil); err != nil {
				t.Fatal(err)
			}
			got := v.seen("")
			if gap := got[2].at.Sub(got[1].at); gap < want || gap > want+interval*101/100 {
				t.Errorf("settle %v: the replay came after %v", settle, gap)
			}
		})
	}
}

// Secrets that can't be read stop the call; one that is missing is named.
func TestMissingSecrets(t *testing.T) {
	locked := errors.New("permission denied")
	for _, lost := range []string{"app_secret", "access_token", "refresh_token", "code"} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, &vendor{answer: always(200, emptyPage)}, nil, func(cfg *jushuitan.Config) {
				cfg.App = jushuitan.ISVApp
				cfg.Secrets = func(field string) (string, error) {
					if field == lost {
						return "", locked
					}
					return "", fs.ErrNotExist
				}
			})
			_, err := c.Call(t.Context(), shops, nil)
			if lost == "app_secret" { // not needed as long as there is nothing to sign
				if fault.ClassOf(err) != "token" {
					t.Errorf("err = %v", err)
				}
				return
			}
			if !errors.Is(err, locked) || fault.ClassOf(err) != "secret" || !strings.Contains(err.Error(), lost) {
				t.Errorf("%s: err = %v", lost, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := newClient(t, &vendor{}, secrets{"access_token": access}, nil).Call(t.Context(), shops, nil)
		if fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != "secret" || !strings.Contains(err.Error(), "app_secret") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestTokenJSON(t *testing.T) {
	want := jushuitan.Token{Access: access, Refresh: refresh, ExpiresAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got jushuitan.Token
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s gives %+v, %v", text, got, err)
	}
}
