package kis

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
)

// signIn makes v a client with the tokens of the user, without auth_data yet.
func (v *vendor) signIn() {
	v.token, v.authData = Default().User.AccessToken, ""
}

// sessionBody is the body of a call of the session.
func (v *vendor) sessionBody() string {
	u := Default().User
	return text(v.T, map[string]string{"session_id": u.SessionID, "pid": u.PID, "acctnumber": u.AcctNumber, "icrmid": u.ICRMID, "client_id": gatewaytest.ClientID})
}

// refresh calls refresh_auth_data.
func (v *vendor) refresh(refreshToken, accessToken, secret string) gatewaytest.Reply {
	v.T.Helper()
	r := v.request("/koas/user/refresh_auth_data", text(v.T, map[string]string{"refresh_auth_data_token": refreshToken, "access_token": accessToken}), nil)
	r.Query = "client_id=" + gatewaytest.ClientID + "&client_secret=" + secret
	return v.Call(r)
}

func TestTheSignatureOfASession(t *testing.T) {
	got := userSignature("0123456789abcdef", "se1760000000abcdefghijklmnopqrst", "trace-0001", "secret-abcdefghijklmnopqrstuvwx", "1760000000")
	if want := "b03c0766108be45223091f7d4cd021c8be62aacd088b0aa722240435ac12dcd3"; got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

func TestAUserGetsToTheAccountSet(t *testing.T) {
	v := start(t, nil)
	v.signIn()
	if r := v.post(materialPath, "{}"); r.Code != 4010 {
		t.Errorf("without auth_data: %s", r.Body)
	}
	u := Default().User
	for path, want := range map[string]string{"account": u.AcctNumber, "account_applist": u.ICRMID, "login_status": "true"} {
		if r := v.post("/koas/user/"+path, v.sessionBody()); r.Code != 0 || !strings.Contains(r.Body, want) {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
	app := v.data("/koas/user/get_service_gateway", v.sessionBody())
	extended, _ := app["extend_data"].(Row)
	if app["gw_router_addr"] != domain || app["gateway"] == "" || extended["refresh_auth_data_token_expire_in"] == nil {
		t.Fatalf("app is %v", app)
	}
	v.authData = fmt.Sprint(app["auth_data"])
	v.rows(materialPath, "{}")
	v.refused(v.post("/koas/user/get_service_gateway", strings.Replace(v.sessionBody(), u.ICRMID, "x", 1)), "icrmid")
	if r := v.post("/koas/user/account", `{"session_id":"x"}`); r.Code != 4010 {
		t.Errorf("another session: %s", r.Body)
	}
}

func TestRefreshOfAuthDataRotatesAll(t *testing.T) {
	v := start(t, nil)
	v.signIn()
	u := Default().User
	if r := v.refresh(u.RefreshToken, u.AccessToken, "x"); r.Code != 4005 {
		t.Errorf("wrong secret: %s", r.Body)
	}
	if r := v.refresh("x", u.AccessToken, gatewaytest.ClientSecret); r.Code != 4010 {
		t.Errorf("wrong refresh token: %s", r.Body)
	}
	var fresh struct {
		AccessToken string      `json:"access_token"`
		Expires     json.Number `json:"access_token_expire_in"`
		AuthData    string      `json:"auth_data"`
		Extended    struct {
			RefreshToken string `json:"refresh_auth_data_token"`
		} `json:"extend_data"`
	}
	r := v.refresh(u.RefreshToken, u.AccessToken, gatewaytest.ClientSecret)
	if r.Code != 0 {
		t.Fatal(r.Body)
	}
	r.Into(t, &fresh)
	if fresh.AccessToken == u.AccessToken || fresh.Extended.RefreshToken == u.RefreshToken || fresh.Expires != json.Number(fmt.Sprint(v.Clock.Now().Add(30*24*time.Hour).Unix())) {
		t.Errorf("refreshed: %+v", fresh)
	}
	v.authData = fresh.AuthData
	if r := v.post(materialPath, "{}"); r.Code != 4010 {
		t.Errorf("the old access token: %s", r.Body)
	}
	v.token = fresh.AccessToken
	v.rows(materialPath, "{}")
	if r := v.refresh(u.RefreshToken, fresh.AccessToken, gatewaytest.ClientSecret); r.Code != 4010 {
		t.Errorf("the old refresh token: %s", r.Body)
	}
	v.Clock.Advance(30 * 24 * time.Hour)
	if r := v.post(materialPath, "{}"); r.Code != 4011 {
		t.Errorf("after its life: %s", r.Body)
	}
	if r := v.refresh(fresh.Extended.RefreshToken, fresh.AccessToken, gatewaytest.ClientSecret); r.Code != 4011 {
		t.Errorf("the refresh token after its life: %s", r.Body)
	}
}

func TestRefreshOfTheLogin(t *testing.T) {
	v := start(t, nil)
	v.signIn()
	v.Clock.Advance(3*time.Hour - time.Second)
	fresh := v.data("/koas/user/refresh_login_access_token", v.sessionBody())
	if fresh["access_token"] == v.token || fresh["session_id_expire_in"] != json.Number(fmt.Sprint(v.Clock.Now().Add(3*time.Hour).Unix())) {
		t.Errorf("refreshed: %v", fresh)
	}
	if r := v.post("/koas/user/account", v.sessionBody()); r.Code != 4010 {
		t.Errorf("the old access token: %s", r.Body)
	}
	v.token = fmt.Sprint(fresh["access_token"])
	v.Clock.Advance(3*time.Hour - time.Second)
	if r := v.post("/koas/user/account", v.sessionBody()); r.Code != 0 {
		t.Errorf("the session was to go on: %s", r.Body)
	}
	v.Clock.Advance(time.Second)
	if r := v.post("/koas/user/refresh_login_access_token", v.sessionBody()); r.Code != 4011 {
		t.Errorf("the session was to end: %s", r.Body)
	}
}

func TestSessionsAreSigned(t *testing.T) {
	u := Default().User
	for _, test := range []struct {
		required        bool
		signature, path string
		code            int
	}{
		{false, "", "account", 0}, {false, "right", "account", 0}, {false, "wrong", "account", 4008},
		{true, "", "account", 4008}, {true, "right", "get_service_gateway", 0}, {true, "wrong", "account_applist", 4008},
		{true, "", "refresh_login_access_token", 0},
	} {
		v := start(t, func(s *Settings) { s.UserSignature = test.required })
		v.signIn()
		request := v.request("/koas/user/"+test.path, v.sessionBody(), nil)
		h := request.Header
		h["KIS-Signature"] = test.signature
		if test.signature == "right" {
			h["KIS-Signature"] = userSignature(h["KIS-State"], u.SessionID, h["KIS-TraceID"], u.SessionSecret, h["KIS-Timestamp"])
		}
		if r := v.Call(request); r.Code != test.code {
			t.Errorf("%+v: %s", test, r.Body)
		}
	}
}
