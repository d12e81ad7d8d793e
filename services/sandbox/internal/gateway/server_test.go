package gateway_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/sign"
)

const (
	xingchenInstance, xingchenKey = "300000000000000001", "aB3dE9kZ"
	kisInstance, kisKey           = "300000000000000002", "kIs7Yx2Q"
)

// vendor is a gateway with a client.
type vendor struct {
	*gatewaytest.Client
	server *gateway.Server
	plan   *faults.Plan
}

func start(t *testing.T, file string, set func(*gateway.Settings)) *vendor {
	t.Helper()
	settings := gateway.Default()
	if set != nil {
		set(&settings)
	}
	clock, plan := gatewaytest.NewClock(), faults.NewPlan(1)
	server, err := gateway.New(gateway.Config{Settings: settings, Faults: plan, File: file, Now: clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return &vendor{&gatewaytest.Client{T: t, URL: web.URL, Clock: clock}, server, plan}
}

// secret returns the app secret that counts now.
func (v *vendor) secret(instance, appKey string) string {
	v.T.Helper()
	for _, a := range v.Authorize(instance) {
		if a.AppKey == appKey {
			return a.AppSecret
		}
	}
	v.T.Fatalf("no app key %s", appKey)
	return ""
}

func TestAuthorizeAnswersAllAccountSetsOfAnInstance(t *testing.T) {
	v := start(t, "", nil)
	rows := v.Authorize(xingchenInstance)
	if len(rows) != 3 || rows[0].Status != 0 || rows[1].Status != 1 || rows[2].AppKey != xingchenKey || rows[2].Domain != "https://tf.jdy.com" {
		t.Errorf("rows are %+v", rows)
	}
	if again := v.Authorize(xingchenInstance); again[2].AppSecret != rows[2].AppSecret || len(rows[2].AppSecret) != 32 {
		t.Errorf("secret is %q, was %q", again[2].AppSecret, rows[2].AppSecret)
	}
	if rows := v.Authorize(kisInstance); len(rows) != 1 || rows[0].AppKey != kisKey {
		t.Errorf("rows of KIS are %+v", rows)
	}
	r := v.CallSigned(gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=1"})
	if r.Status != 200 || r.Code == 0 {
		t.Errorf("an unknown instance: %s", r.Body)
	}
}

func TestAuthorizeInTheOtherEnvelope(t *testing.T) {
	v := start(t, "", func(s *gateway.Settings) { s.AuthorizeCode = true })
	r := v.CallSigned(gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=" + kisInstance, Body: "{}"})
	if !strings.HasPrefix(r.Body, `{"code":200,"data":[{"accountId":`) {
		t.Errorf("answer is %s", r.Body)
	}
}

func TestToken(t *testing.T) {
	v := start(t, "", nil)
	tokens := v.Token(xingchenInstance, xingchenKey)
	if !strings.HasPrefix(tokens.AppToken, "eyJ") || strings.Count(tokens.AppToken, ".") != 2 || len(tokens.AccessToken) != 32 ||
		tokens.Expires != v.Clock.Now().Add(24*time.Hour).UnixMilli() || tokens.AuthData != "" || tokens.UID == 0 {
		t.Errorf("tokens are %+v", tokens)
	}
	if tokens := v.Token(kisInstance, kisKey); tokens.AuthData == "" {
		t.Errorf("tokens of KIS are %+v", tokens)
	}
	if a, err := v.server.CheckAppToken(tokens.AppToken, gateway.Xingchen, v.Clock.Now()); err != nil || a.AppKey != xingchenKey {
		t.Errorf("account is %+v, %v", a, err)
	}
	without := start(t, "", func(s *gateway.Settings) { s.AuthData = false }).Token(kisInstance, kisKey)
	if without.AuthData != "" || without.AppToken == "" {
		t.Errorf("tokens without auth_data are %+v", without)
	}
}

func TestTokenCallsAreLimited(t *testing.T) {
	v := start(t, "", nil)
	secret := v.secret(xingchenInstance, xingchenKey)
	for i, want := range []int{200, 200, 429} {
		if r := v.TryToken(xingchenKey, secret); r.Status != want {
			t.Errorf("call %d: status %d %s, want %d", i, r.Status, r.Body, want)
		}
	}
	if r := v.TryToken(kisKey, v.secret(kisInstance, kisKey)); r.Status != 200 {
		t.Errorf("another account set: %s", r.Body)
	}
	v.Clock.Advance(time.Minute)
	if r := v.TryToken(xingchenKey, secret); r.Status != 200 {
		t.Errorf("a minute later: %s", r.Body)
	}
	if st := v.server.Stats(); st.TokenCalls[xingchenKey] != 4 || st.TokenCalls[kisKey] != 1 || st.Rejections["5007"] != 1 {
		t.Errorf("stats are %+v", st)
	}
}

func TestTokenWithAnOldSecret(t *testing.T) {
	v := start(t, "", nil)
	old := v.secret(xingchenInstance, xingchenKey)
	if err := v.server.Rotate(gateway.Xingchen, v.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	r := v.TryToken(xingchenKey, old)
	if r.Status != 200 || r.Code != 1030002006 || r.Text != "授权密钥校验失败，请获取最新密钥加密" {
		t.Errorf("old secret: %d %s", r.Status, r.Body)
	}
	if r := v.TryToken(xingchenKey, v.secret(xingchenInstance, xingchenKey)); r.Code != 0 {
		t.Errorf("new secret: %s", r.Body)
	}
	disabled := v.Authorize(xingchenInstance)[0]
	for key, secret := range map[string]string{disabled.AppKey: disabled.AppSecret, "unknown": old, "": old} {
		if r := v.TryToken(key, secret); r.Code != 1030002006 {
			t.Errorf("app key %q: %s", key, r.Body)
		}
	}
}

func TestSecretsRotateByThemselves(t *testing.T) {
	v := start(t, "", func(s *gateway.Settings) { s.RotateAfter = time.Hour })
	first := v.secret(xingchenInstance, xingchenKey)
	v.Clock.Advance(time.Hour - time.Second)
	if again := v.secret(xingchenInstance, xingchenKey); again != first {
		t.Error("rotated too early")
	}
	v.Clock.Advance(time.Second)
	if r := v.TryToken(xingchenKey, first); r.Code != 1030002006 {
		t.Errorf("an hour later: %s", r.Body)
	}
}

func TestRotationAsAFault(t *testing.T) {
	v := start(t, "", nil)
	tokens := v.Token(xingchenInstance, xingchenKey)
	secret := v.secret(xingchenInstance, xingchenKey)
	if _, err := v.plan.Add(faults.Fault{Kind: faults.RotateSecret, Path: gateway.PathToken}); err != nil {
		t.Fatal(err)
	}
	if r := v.TryToken(xingchenKey, secret); r.Code != 1030002006 {
		t.Errorf("the old secret: %s", r.Body)
	}
	_, err := v.server.CheckAppToken(tokens.AppToken, gateway.Xingchen, v.Clock.Now())
	if refused, ok := errors.AsType[gateway.Refusal](err); !ok || refused.Code != 1000202001 {
		t.Errorf("the old token: %v", err)
	}
}

func TestTokensEnd(t *testing.T) {
	v := start(t, "", nil)
	tokens, kis := v.Token(xingchenInstance, xingchenKey), v.Token(kisInstance, kisKey)
	v.Clock.Advance(24*time.Hour - time.Second)
	second := v.Token(xingchenInstance, xingchenKey)
	for _, token := range []string{tokens.AppToken, second.AppToken} {
		if _, err := v.server.CheckAppToken(token, gateway.Xingchen, v.Clock.Now()); err != nil {
			t.Errorf("both tokens should be good: %v", err)
		}
	}
	v.Clock.Advance(time.Second)
	check := func(name string, err error, want gateway.Refusal) {
		t.Helper()
		got, ok := errors.AsType[gateway.Refusal](err)
		if !ok || got.Status != want.Status || got.Code != want.Code {
			t.Errorf("%s: %v (status %d), want %v (status %d)", name, err, got.Status, want, want.Status)
		}
	}
	appToken := func(token, system string) error {
		_, err := v.server.CheckAppToken(token, system, v.Clock.Now())
		return err
	}
	accessToken := func(token, authData string) error {
		_, err := v.server.CheckAccessToken(token, authData, v.Clock.Now())
		return err
	}
	check("expired", appToken(tokens.AppToken, gateway.Xingchen), gateway.Refusal{Status: 401, Code: 1000202001})
	check("none", appToken("", gateway.Xingchen), gateway.Refusal{Status: 519, Code: 4009})
	check("invented", appToken("eyJ.x.y", gateway.Xingchen), gateway.Refusal{Status: 519, Code: 4010})
	check("of another system", appToken(second.AppToken, gateway.KIS), gateway.Refusal{Status: 519, Code: 4010})
	check("KIS expired", accessToken(kis.AccessToken, kis.AuthData), gateway.Refusal{Status: 519, Code: 4011})
	kis = v.Token(kisInstance, kisKey)
	if err := accessToken(kis.AccessToken, kis.AuthData); err != nil {
		t.Error(err)
	}
	check("KIS none", accessToken("", kis.AuthData), gateway.Refusal{Status: 519, Code: 4009})
	check("KIS, app-token beside auth_data", accessToken(kis.AccessToken, kis.AppToken), gateway.Refusal{Status: 519, Code: 4010})
	check("KIS, token of Xingchen", accessToken(second.AccessToken, second.AppToken), gateway.Refusal{Status: 519, Code: 4010})
}

func TestTokensAndSecretsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.json")
	v := start(t, file, nil)
	tokens := v.Token(xingchenInstance, xingchenKey)
	again := start(t, file, nil)
	if v.secret(xingchenInstance, xingchenKey) != again.secret(xingchenInstance, xingchenKey) {
		t.Error("the secret is another one after a restart")
	}
	if _, err := again.server.CheckAppToken(tokens.AppToken, gateway.Xingchen, again.Clock.Now()); err != nil {
		t.Errorf("the token after a restart: %v", err)
	}
}

func TestSignedCallsAreChecked(t *testing.T) {
	v := start(t, "", nil)
	now := v.Clock.Now()
	millis := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).UnixMilli(), 10) }
	for _, test := range []struct {
		name   string
		header map[string]string
		code   int
	}{
		{"as it should be", nil, 0},
		{"type with charset", map[string]string{"Content-Type": "application/json; charset=utf-8"}, 0},
		{"sign headers the other way", map[string]string{"X-Api-SignHeaders": "X-Api-Nonce,X-Api-TimeStamp"}, 0},
		{"version", map[string]string{"X-Api-Auth-Version": "1.0"}, 4001},
		{"no client", map[string]string{"X-Api-ClientID": ""}, 4002},
		{"another client", map[string]string{"X-Api-ClientID": "1"}, 4003},
		{"no timestamp", map[string]string{"X-Api-TimeStamp": ""}, 4006},
		{"seconds", map[string]string{"X-Api-TimeStamp": strconv.FormatInt(now.Unix(), 10)}, 4006},
		{"old timestamp", map[string]string{"X-Api-TimeStamp": millis(-5*time.Minute - time.Millisecond)}, 4006},
		{"timestamp ahead", map[string]string{"X-Api-TimeStamp": millis(5*time.Minute + time.Millisecond)}, 4006},
		{"another timestamp than signed", map[string]string{"X-Api-TimeStamp": millis(5 * time.Minute)}, 4008},
		{"no nonce", map[string]string{"X-Api-Nonce": ""}, 4007},
		{"one sign header", map[string]string{"X-Api-SignHeaders": "X-Api-Nonce"}, 4007},
		{"another nonce than signed", map[string]string{"X-Api-Nonce": "1"}, 4008},
		{"signature", map[string]string{"X-Api-Signature": "x"}, 4008},
	} {
		r := v.CallSigned(gatewaytest.Request{
			Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=" + kisInstance, Header: test.header,
		})
		wantStatus := 519
		if test.code == 0 {
			wantStatus = 200
		}
		if r.Code != test.code || r.Status != wantStatus || test.code != 0 && (r.Cn == "" || r.Data != nil) {
			t.Errorf("%s: status %d, %s, want %d", test.name, r.Status, r.Body, test.code)
		}
	}
}

func TestAnotherSpellingOfWhatWasSigned(t *testing.T) {
	v := start(t, "", nil)
	for _, test := range []struct {
		signed, sent string
		code         int
	}{
		{"outerInstanceId=A%20B*", "outerInstanceId=A%20B*", 2000002000},
		{"outerInstanceId=A%20B%2A", "outerInstanceId=A+B*", 2000002000}, // signed by RFC 3986, sent as a form
		{"outerInstanceId=A+B", "outerInstanceId=A%20B", 4008},
		{"outerInstanceId=A%20C", "outerInstanceId=A%20B", 4008},
	} {
		header := v.Signed(gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: test.signed})
		r := v.Call(gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: test.sent, Header: header})
		if r.Code != test.code {
			t.Errorf("signed %s, sent %s: %s, want %d", test.signed, test.sent, r.Body, test.code)
		}
	}
}

func TestANonceCountsOnceWhereThatIsAsked(t *testing.T) {
	for once, want := range map[bool]int{false: 0, true: 4008} {
		v := start(t, "", func(s *gateway.Settings) { s.NonceOnce = once })
		request := gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=" + kisInstance}
		request.Header = v.Signed(request)
		if r := v.Call(request); r.Code != 0 {
			t.Fatalf("first: %s", r.Body)
		}
		if r := v.Call(request); r.Code != want {
			t.Errorf("again, once is %v: %s, want %d", once, r.Body, want)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	v := start(t, "", nil)
	for _, test := range []struct {
		method, path string
		code         int
	}{
		{"GET", gateway.PathAuthorize, 5002}, {"POST", gateway.PathToken, 5002}, {"GET", "/jdyconnector/app_management/other", 5001},
	} {
		if r := v.CallSigned(gatewaytest.Request{Method: test.method, Path: test.path}); r.Code != test.code || r.Status != 519 {
			t.Errorf("%s %s: %d %s", test.method, test.path, r.Status, r.Body)
		}
	}
}

func TestFaultsAtTheGateway(t *testing.T) {
	v := start(t, "", nil)
	request := gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=" + kisInstance}
	strike := func(f faults.Fault) (gatewaytest.Reply, error) {
		t.Helper()
		f.Path = gateway.PathAuthorize
		if _, err := v.plan.Add(f); err != nil {
			t.Fatal(err)
		}
		request.Header = v.Signed(request)
		return v.Try(request)
	}
	for _, kind := range []faults.Kind{faults.CutBefore, faults.CutAfter} {
		if r, err := strike(faults.Fault{Kind: kind}); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %+v, %v, want a cut connection", kind, r, err)
		}
	}
	for _, test := range []struct {
		fault  faults.Fault
		status int
		body   string
	}{
		{faults.Fault{Kind: faults.HTTP500, Status: 503}, 503, ""},
		{faults.Fault{Kind: faults.HTML, Status: 502}, 502, "<html>"},
		{faults.Fault{Kind: faults.TimeoutAfter}, 519, `{"errcode":5004,`},
		{faults.Fault{Kind: faults.Truncated}, 200, `{"errcode":0,`},
	} {
		r, err := strike(test.fault)
		if err != nil || r.Status != test.status || !strings.HasPrefix(r.Body, test.body) || strings.HasSuffix(r.Body, "]}") {
			t.Errorf("%s: status %d, %q, %v", test.fault.Kind, r.Status, r.Body, err)
		}
	}
	if st := v.server.Stats(); st.Answers["fault"] != 4 {
		t.Errorf("stats are %+v", st)
	}
}

func TestPersonalValuesCanBeRead(t *testing.T) {
	v := start(t, "", nil)
	for _, text := range []string{"13800000000", "浙江省杭州市", "exactly 16 bytes"} {
		sealed, err := v.server.Personal(text)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(sealed)
		if err != nil || len(raw)%aes.BlockSize != 0 {
			t.Fatalf("%s: %v", sealed, err)
		}
		block, err := aes.NewCipher([]byte(gatewaytest.ClientSecret))
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCBCDecrypter(block, []byte("5e8y6w45ju8w9jq8")).CryptBlocks(raw, raw)
		if got := string(raw[:len(raw)-int(raw[len(raw)-1])]); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestRouter(t *testing.T) {
	for optional, codes := range map[bool]map[string]int{
		false: {"https://tf.jdy.com": 0, "": 5001, "tf.jdy.com": 5001, "https://vip2-hz.jdy.com": 5001},
		true:  {"https://tf.jdy.com": 0, "": 0, "https://vip2-hz.jdy.com": 5001},
	} {
		v := start(t, "", func(s *gateway.Settings) { s.RouterOptional = optional })
		account, known := v.server.AccountOf(gateway.Xingchen)
		if !known {
			t.Fatal("no account set of Xingchen")
		}
		for address, want := range codes {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-GW-Router-Addr", address)
			err := v.server.CheckRouter(r, account)
			if got, _ := errors.AsType[gateway.Refusal](err); got.Code != want || want != 0 && got.Text != "404 No Route" {
				t.Errorf("optional %v, %q: %v, want %d", optional, address, err, want)
			}
		}
	}
}

func TestIsApp(t *testing.T) {
	v := start(t, "", nil)
	if !v.server.IsApp(gatewaytest.ClientID, gatewaytest.ClientSecret) || v.server.IsApp("1", gatewaytest.ClientSecret) || v.server.IsApp(gatewaytest.ClientID, "") {
		t.Error("the app is not told from others")
	}
}

func TestSettings(t *testing.T) {
	err := gateway.Settings{ClockSkew: -1, RotateAfter: -1, TokenCalls: -1}.Check()
	for _, want := range []string{"client id", "client secret", "skew", "rotate", "token calls", "life", "status"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not speak of %s", err, want)
		}
	}
	s := gateway.Default()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	gateway.Flags(flags, &s)
	args := []string{"--kingdee-rotate-after", "1h", "--kingdee-token-calls", "3", "--kingdee-auth-data=false"}
	if err := errors.Join(flags.Parse(args), s.Check()); err != nil || s.RotateAfter != time.Hour || s.TokenCalls != 3 || s.AuthData {
		t.Errorf("settings are %+v, %v", s, err)
	}
}

func TestVectorsAreAccepted(t *testing.T) {
	v := start(t, "", nil)
	v.Clock.Set(time.UnixMilli(1760000000001))
	header := map[string]string{
		"X-Api-ClientID": gatewaytest.ClientID, "X-Api-Auth-Version": "2.0", "X-Api-SignHeaders": "X-Api-TimeStamp,X-Api-Nonce",
		"X-Api-Nonce": "1234567891", "X-Api-TimeStamp": "1760000000001",
		"X-Api-Signature": "MDIzN2VlMDNkZTZjOGIwYTA3ZDU2NmYwZDg5ZDg2ZGJkY2JhYzNlNjA5NTgzODVjODYwOTg3MmJhN2E4MTcwMw==",
	}
	request := gatewaytest.Request{Method: "POST", Path: gateway.PathAuthorize, Query: "outerInstanceId=" + xingchenInstance, Header: header}
	if r := v.Call(request); r.Code != 0 {
		t.Errorf("T4: %s", r.Body)
	}
	broken := maps.Clone(header)
	broken["X-Api-Signature"] = sign.Seal("another secret", "")
	request.Header = broken
	if r := v.Call(request); r.Code != 4008 {
		t.Errorf("T4, broken: %s", r.Body)
	}
}
