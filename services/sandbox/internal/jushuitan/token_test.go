package jushuitan

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func (v *vendor) refresh(token string, wantCode int) tokenData {
	v.t.Helper()
	return v.tokenCall("/openWeb/auth/refreshToken", map[string]string{"grant_type": "refresh_token", "refresh_token": token, "scope": "all"}, wantCode)
}

// good tells whether an access token is accepted.
func (v *vendor) good(token string) bool {
	v.t.Helper()
	v.token = token
	return v.query(PurchaseIn, "{"+allDays+"}").Code == 0
}

func TestInitTokenIsTheLiveOne(t *testing.T) {
	v := start(t, nil)
	first := v.newToken()
	if first.ExpiresIn != 2_592_000 || first.Scope != "all" || len(first.AccessToken) != 32 || len(first.RefreshToken) != 32 {
		t.Errorf("token is %+v", first)
	}
	v.clock.Advance(time.Hour)
	second := v.newToken()
	if second.AccessToken != first.AccessToken || second.RefreshToken != first.RefreshToken || second.ExpiresIn != first.ExpiresIn-3600 {
		t.Errorf("an hour later it is %+v, before %+v", second, first)
	}
	v.clock.Advance(time.Duration(second.ExpiresIn) * time.Second)
	if v.good(first.AccessToken) {
		t.Error("the token is good after its time")
	}
	v.refresh(first.RefreshToken, 100)
	if third := v.newToken(); third.AccessToken == first.AccessToken || !v.good(third.AccessToken) {
		t.Error("no new token after expiry")
	}
}

func TestRefreshExtends(t *testing.T) {
	v := start(t, nil)
	first := v.newToken()
	v.clock.Advance(30*24*time.Hour - 12*time.Hour - time.Second)
	early := v.refresh(first.RefreshToken, 0)
	if early.ExpiresIn != 12*3600+1 || early.AccessToken != first.AccessToken {
		t.Errorf("refreshed early: %+v", early)
	}
	v.clock.Advance(time.Second)
	second := v.refresh(first.RefreshToken, 0)
	if second.ExpiresIn != 2_592_000 || second.AccessToken != first.AccessToken || second.RefreshToken != first.RefreshToken {
		t.Errorf("refreshed: %+v, before %+v", second, first)
	}
	v.refresh("wrong", 100)
}

func TestRefreshRotates(t *testing.T) {
	v := start(t, func(s *Settings) {
		s.RefreshMode, s.RefreshWindow, s.RotateGrace = "rotate", 30*24*time.Hour, 10*time.Second
	})
	first := v.newToken()
	second := v.refresh(first.RefreshToken, 0)
	if second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
		t.Errorf("tokens stayed the same: %+v", second)
	}
	v.refresh(first.RefreshToken, 100)
	v.clock.Advance(9 * time.Second)
	if !v.good(first.AccessToken) || !v.good(second.AccessToken) {
		t.Error("both tokens should be good while grace lasts")
	}
	v.clock.Advance(time.Second)
	if v.good(first.AccessToken) || !v.good(second.AccessToken) {
		t.Error("only the new token should be good after grace")
	}
}

func TestRefreshLag(t *testing.T) {
	v := start(t, func(s *Settings) { s.RefreshWindow, s.RefreshLag = 30*24*time.Hour, 2*time.Second })
	first := v.newToken()
	v.refresh(first.RefreshToken, 0)
	if v.good(first.AccessToken) {
		t.Error("good at once")
	}
	v.clock.Advance(2 * time.Second)
	if !v.good(first.AccessToken) {
		t.Error("not good after the lag")
	}
}

func TestTokenCallsOfAServiceProvider(t *testing.T) {
	v := start(t, func(s *Settings) { s.AppKind = "isv" })
	code := map[string]string{"grant_type": "authorization_code", "code": "from the browser"}
	v.tokenCall("/openWeb/auth/getInitToken", code, 21024)
	data := v.tokenCall("/openWeb/auth/accessToken", code, 0)
	if !v.good(data.AccessToken) {
		t.Error("the token is not good")
	}
	v.refresh(data.RefreshToken, 150)
}

func TestTokenCallsAreChecked(t *testing.T) {
	v := start(t, nil)
	for _, test := range []struct {
		path   string
		fields map[string]string
		code   int
	}{
		{"/openWeb/auth/getInitToken", map[string]string{"grant_type": "authorization_code"}, 130},
		{"/openWeb/auth/getInitToken", map[string]string{"grant_type": "refresh_token", "code": "\U00020000é\x01"}, 0},
		{"/openWebIsv/auth/getInitToken", map[string]string{"grant_type": "authorization_code", "code": "x", "version": "2"}, 0},
		{"/openWeb/auth/accessToken", map[string]string{"grant_type": "authorization_code"}, 130},
		{"/openWeb/auth/accessToken", map[string]string{"grant_type": "other", "code": "x"}, 140},
		{"/openWeb/auth/refreshToken", map[string]string{"grant_type": "refresh_token", "scope": "all"}, 130},
		{"/openWeb/auth/refreshToken", map[string]string{"grant_type": "other", "refresh_token": "x", "scope": "all"}, 140},
		{"/openWeb/auth/getInitToken", map[string]string{"code": "x", "app_key": "another"}, 10},
		{"/openWeb/auth/getInitToken", map[string]string{"code": "x", "timestamp": "1"}, 140},
	} {
		v.tokenCall(test.path, test.fields, test.code)
	}
}

func TestTokensAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	before, err := openTokens(Default(), path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := before.issue(anchor)
	if err != nil {
		t.Fatal(err)
	}
	after, err := openTokens(Default(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := after.issue(anchor); err != nil || got != want {
		t.Errorf("after a restart: %+v, %v, want %+v", got, err, want)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openTokens(Default(), path); err == nil {
		t.Error("a broken file was read")
	}
}
