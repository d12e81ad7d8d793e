package jushuitan

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// maxBody bounds the body of a call.
const maxBody = 1 << 20

// call is a call as the checks and endpoints see it.
type call struct {
	path   string
	now    time.Time
	ip     string
	params map[string]string
	biz    biz
	struck faults.Struck
}

// authChecks and businessChecks are the checks of a call, in the order of the vendor. The first
// that refuses ends the call.
func (s *Server) authChecks() []func(*call) error {
	return []func(*call) error{
		require("app_key", "timestamp", "charset", "sign"), s.checkTime, s.checkSign,
	}
}

func (s *Server) businessChecks() []func(*call) error {
	return []func(*call) error{
		require("app_key", "access_token", "timestamp", "charset", "version", "biz", "sign"),
		s.checkTime, s.checkSign, s.checkToken, s.checkIP, s.checkPermission, s.checkLimit, s.checkBiz,
	}
}

// readCall reads the form of r. All parameters are in the body; what the URL says is ignored.
func (s *Server) readCall(w http.ResponseWriter, r *http.Request) (*call, error) {
	c := &call{path: r.URL.Path, ip: r.RemoteAddr}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.ip = host
	}
	if r.Method != http.MethodPost || !isForm(r.Header.Get("Content-Type")) {
		return c, errNotAForm
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return c, errTooLarge
	}
	if err != nil {
		return c, fmt.Errorf("read body: %w", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return c, badParameter("form")
	}
	c.params = map[string]string{}
	for key := range form {
		c.params[key] = form.Get(key)
	}
	return c, nil
}

// isForm accepts the form type and no type at all, as the vendor does.
func isForm(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

func require(fields ...string) func(*call) error {
	return func(c *call) error {
		for _, field := range fields {
			if c.params[field] == "" {
				return missing(field)
			}
		}
		return nil
	}
}

func (s *Server) checkTime(c *call) error {
	seconds, err := strconv.ParseInt(c.params["timestamp"], 10, 64)
	if err != nil || c.now.Sub(time.Unix(seconds, 0)).Abs() > s.settings.ClockSkew {
		return refusal{s.settings.BadTimeCode, fmt.Sprintf("验证失败！无效的timestamp，请求最大时间误差%.0f分钟", s.settings.ClockSkew.Minutes())}
	}
	return nil
}

// checkSign also refuses unknown apps: nothing they sign can be right.
func (s *Server) checkSign(c *call) error {
	if c.params["app_key"] != s.settings.AppKey || !s.settings.signed(c.params) {
		return refusal{s.settings.BadSignCode, "验证失败！无效签名"}
	}
	return nil
}

func (s *Server) checkToken(c *call) error {
	if _, ok := c.struck[faults.ExpireToken]; ok {
		if err := s.tokens.expire(c.now); err != nil {
			return err
		}
	}
	return s.tokens.check(c.params["access_token"], c.now)
}

func (s *Server) checkIP(c *call) error {
	if len(s.settings.AllowIPs) == 0 {
		return nil
	}
	ip, err := netip.ParseAddr(c.ip)
	allowed := slices.ContainsFunc(s.settings.AllowIPs, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
	if err != nil || !allowed {
		return refusal{110, "验证失败！已设置IP白名单，该IP不在白名单列表：" + c.ip}
	}
	return nil
}

func (s *Server) checkPermission(c *call) error {
	if slices.Contains(s.settings.DenyPaths, c.path) {
		return errPermission
	}
	return nil
}

func (s *Server) checkLimit(c *call) error {
	if f, ok := c.struck[faults.RateLimit]; ok {
		if f.Code == errPerMinute.code {
			return errPerMinute
		}
		return errPerSecond
	}
	return s.limiter.admit(c.params["app_key"]+" "+c.params["access_token"], c.now)
}

func (s *Server) checkBiz(c *call) error {
	if !strings.EqualFold(c.params["charset"], "utf-8") {
		return badParameter("charset")
	}
	if c.params["version"] != "2" {
		return badParameter("version")
	}
	var err error
	c.biz, err = parseBiz(c.params["biz"])
	return err
}
