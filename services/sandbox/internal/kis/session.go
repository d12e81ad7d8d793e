package kis

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
	"github.com/erpstream/erpstream/services/sandbox/internal/random"
)

// The lives of what a user is given: those of access tokens and sessions as seen in use, that of
// refresh tokens assumed.
const (
	accessLife  = 30 * 24 * time.Hour
	sessionLife = 3 * time.Hour
	refreshLife = 30 * 24 * time.Hour
)

// session is a user who has signed in.
type session struct {
	AccessToken    string    `json:"access_token"`
	AccessExpires  time.Time `json:"access_expires"`
	SessionID      string    `json:"session_id"`
	SessionExpires time.Time `json:"session_expires"`
	SessionSecret  string    `json:"session_secret"`
	// AuthData is empty until the user has chosen an app.
	AuthData       string    `json:"auth_data"`
	RefreshToken   string    `json:"refresh_token"`
	RefreshExpires time.Time `json:"refresh_expires"`
}

// signedIn is the session that an interactive sign-in at now leaves behind.
func signedIn(u User, now time.Time) session {
	return session{
		AccessToken: u.AccessToken, AccessExpires: now.Add(accessLife), SessionID: u.SessionID, SessionExpires: now.Add(sessionLife),
		SessionSecret: u.SessionSecret, RefreshToken: u.RefreshToken, RefreshExpires: now.Add(refreshLife),
	}
}

// userSignature is the KIS-Signature of a call of a session. Seen in use.
func userSignature(state, sessionID, trace, secret, timestamp string) string {
	sum := sha256.Sum256([]byte(state + sessionID + trace + secret + timestamp))
	return hex.EncodeToString(sum[:])
}

// sessionCalls are the calls of flow U but for the interactive sign-in itself. Their paths were seen
// in use, the shapes of account, account_applist and login_status are assumed.
func (s *Server) sessionCalls() map[string]func(*gateway.Call, shape.Object) (any, error) {
	return map[string]func(*gateway.Call, shape.Object) (any, error){
		"account": s.inSession(true, func(*gateway.Call, session) (any, error) {
			return []Row{{"pid": s.settings.User.PID, "acctnumber": s.settings.User.AcctNumber, "acctname": "示例私有云账套"}}, nil
		}),
		"account_applist": s.inSession(true, func(*gateway.Call, session) (any, error) {
			return []Row{{"icrmid": s.settings.User.ICRMID, "appname": "示例应用"}}, nil
		}),
		"get_service_gateway": s.inSession(true, s.openApp),
		"login_status": s.inSession(false, func(_ *gateway.Call, u session) (any, error) {
			return Row{"is_login": true, "session_id_expire_in": u.SessionExpires.Unix()}, nil
		}),
		"refresh_login_access_token": s.inSession(false, s.refreshLogin),
		"refresh_auth_data":          s.refreshAuthData,
	}
}

// inSession checks access token, session and, where there is one or signed calls need one, the
// signature.
func (s *Server) inSession(signed bool, serve func(*gateway.Call, session) (any, error)) func(*gateway.Call, shape.Object) (any, error) {
	return func(c *gateway.Call, body shape.Object) (any, error) {
		u := s.books.userSession()
		switch {
		case c.URL.Query().Get("access_token") != u.AccessToken || body.Text("session_id") != u.SessionID:
			return nil, errToken
		case !c.Now.Before(u.AccessExpires) || !c.Now.Before(u.SessionExpires):
			return nil, errExpired
		}
		for name, want := range map[string]string{"pid": s.settings.User.PID, "acctnumber": s.settings.User.AcctNumber, "icrmid": s.settings.User.ICRMID} {
			if got := body.Text(name); got != "" && got != want {
				return nil, refuse("参数%s[%s]不存在", name, got)
			}
		}
		if signed && !s.signedBy(c, u) {
			return nil, gateway.Refuse(4008, "KIS-Signature is invalid", "签名无效")
		}
		return serve(c, u)
	}
}

// signedBy reports whether c carries the signature of u, or none where that is allowed.
func (s *Server) signedBy(c *gateway.Call, u session) bool {
	got := c.Header.Get("KIS-Signature")
	if got == "" {
		return !s.settings.UserSignature
	}
	h := c.Header
	want := userSignature(h.Get("KIS-State"), u.SessionID, h.Get("KIS-TraceID"), u.SessionSecret, h.Get("KIS-Timestamp"))
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// openApp serves get_service_gateway: auth_data for the app, and the token that refreshes it.
func (s *Server) openApp(c *gateway.Call, u session) (any, error) {
	u.AuthData, u.RefreshToken, u.RefreshExpires = random.Token()+random.Token(), random.Token(), c.Now.Add(refreshLife)
	if err := s.books.keepSession(u); err != nil {
		return nil, err
	}
	return s.appReply(u), nil
}

func (s *Server) appReply(u session) Row {
	account, _ := s.gateway.AccountOf(gateway.KIS)
	return Row{
		"auth_data": u.AuthData, "gw_router_addr": account.Domain, "gateway": "https://api.kingdee.com",
		"extend_data": Row{"refresh_auth_data_token": u.RefreshToken, "refresh_auth_data_token_expire_in": u.RefreshExpires.Unix()},
	}
}

// refreshLogin serves refresh_login_access_token. That the old access token is gone and the session
// goes on is assumed.
func (s *Server) refreshLogin(c *gateway.Call, u session) (any, error) {
	u.AccessToken, u.AccessExpires, u.SessionExpires = random.Token(), c.Now.Add(accessLife), c.Now.Add(sessionLife)
	if err := s.books.keepSession(u); err != nil {
		return nil, err
	}
	return Row{
		"access_token": u.AccessToken, "access_token_expire_in": u.AccessExpires.Unix(),
		"session_id": u.SessionID, "session_id_expire_in": u.SessionExpires.Unix(),
	}, nil
}

// refreshAuthData serves refresh_auth_data: everything is new, and what was before is gone. For the
// access token that is assumed. A token that has expired may still be named.
func (s *Server) refreshAuthData(c *gateway.Call, body shape.Object) (any, error) {
	query, u := c.URL.Query(), s.books.userSession()
	switch {
	case !s.gateway.IsApp(query.Get("client_id"), query.Get("client_secret")):
		return nil, gateway.Refuse(4005, "client id and secret do not match", "客户端密钥不匹配")
	case body.Text("access_token") != u.AccessToken || body.Text("refresh_auth_data_token") != u.RefreshToken:
		return nil, errToken
	case !c.Now.Before(u.RefreshExpires):
		return nil, errExpired
	}
	u.AccessToken, u.AccessExpires = random.Token(), c.Now.Add(accessLife)
	u.AuthData, u.RefreshToken, u.RefreshExpires = random.Token()+random.Token(), random.Token(), c.Now.Add(refreshLife)
	if err := s.books.keepSession(u); err != nil {
		return nil, err
	}
	reply := s.appReply(u)
	reply["access_token"], reply["access_token_expire_in"] = u.AccessToken, u.AccessExpires.Unix()
	return reply, nil
}
