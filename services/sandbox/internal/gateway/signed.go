package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/sign"
)

// CheckSigned refuses a call whose signature headers are missing, stale or wrong.
func (s *Server) CheckSigned(r *http.Request, now time.Time) error {
	h := r.Header
	switch id := h.Get("X-Api-ClientID"); {
	case h.Get("X-Api-Auth-Version") != "2.0":
		return errVersion
	case id == "":
		return errNoClient
	case id != s.settings.ClientID:
		return errClient
	}
	nonce, stamp := h.Get("X-Api-Nonce"), h.Get("X-Api-TimeStamp")
	millis, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(millis)).Abs() > s.settings.ClockSkew {
		return errTime
	}
	if nonce == "" || !signsBoth(h.Get("X-Api-SignHeaders")) {
		return errSignHeaders
	}
	if !s.signed(r, nonce, stamp) {
		return errSign
	}
	if s.settings.NonceOnce && !s.nonces.First(nonce+" "+stamp, now) {
		return errSign.With("X-Api-Nonce was used before", "随机数重复")
	}
	return nil
}

// signsBoth reports whether the names are those of the nonce and the timestamp, in any order.
func signsBoth(names string) bool {
	all := strings.Split(strings.ToLower(strings.ReplaceAll(names, " ", "")), ",")
	slices.Sort(all)
	return slices.Equal(all, []string{"x-api-nonce", "x-api-timestamp"})
}

// signed tries the query as it came, and then as clients sign it that send another spelling.
func (s *Server) signed(r *http.Request, nonce, stamp string) bool {
	got := r.Header.Get("X-Api-Signature")
	matches := func(query string) bool {
		request := sign.Request{Method: r.Method, Path: r.URL.Path, Query: query, Nonce: nonce, Timestamp: stamp}
		return sign.Equal(got, request.Signature(s.settings.ClientSecret))
	}
	if matches(sign.QueryLine(r.URL.RawQuery)) {
		return true
	}
	again, err := sign.QueryLineAgain(r.URL.RawQuery)
	return err == nil && matches(again)
}

// CheckRouter refuses a call that does not name the domain of a.
func (s *Server) CheckRouter(r *http.Request, a Account) error {
	address := r.Header.Get("X-GW-Router-Addr")
	if address == a.Domain || address == "" && s.settings.RouterOptional {
		return nil
	}
	return errRoute
}
