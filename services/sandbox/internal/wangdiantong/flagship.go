package wangdiantong

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// flagshipEpoch is where timestamps of the flagship edition begin, in Unix seconds: 2012-01-01
// 00:00:00 in Shanghai.
const flagshipEpoch = 1_325_347_200

// flagshipMaxPageSize is the largest page: advised by the vendor, an assumption as a limit.
const flagshipMaxPageSize = 200

// flagshipEndpoints are the APIs of the flagship edition that there are, by method.
func (s *Server) flagshipEndpoints() map[string]endpoint {
	query := func(serve func(*call) (any, error)) endpoint {
		return endpoint{serve: serve, business: true, paged: true}
	}
	return map[string]endpoint{
		"aftersales.refund.Refund.search":  query(s.refundQuery),
		"setting.Warehouse.queryWarehouse": query(s.flagshipWarehouses),
		"setting.Shop.queryShop":           query(s.flagshipShops),
		"wms.stockin.PreStockin.search":    {serve: s.noPreStockIns, business: true, paged: true, qimenOnly: true},
		"system.Core.now":                  {serve: s.coreNow},
	}
}

// qimenNames returns the methods by their names at Qimen without "wdt.".
func qimenNames(methods map[string]endpoint) map[string]string {
	names := map[string]string{}
	for method := range methods {
		names[strings.ToLower(method)] = method
	}
	return names
}

// enterFlagship lets a direct call of the flagship edition in.
func (s *Server) enterFlagship(c *call, r *http.Request, unread error) error {
	method := c.params["method"]
	c.api, c.endpoint = method, s.flagship[method]
	if c.endpoint.serve == nil {
		c.api = "unknown"
	}
	c.account = s.flagshipAccount(c.params["sid"], c.params["key"])
	c.door = &door{
		edition: flagship,
		checks: []func(*call) error{
			s.checkFlagshipVersion, s.flagshipCredentials("sid", "key", "salt"), s.checkFlagshipTime, s.checkFlagshipSign,
			s.checkFlagshipLimit, s.checkFlagshipMethod, s.readFlagshipPaging, s.readFlagshipBody,
		},
		success:  func(_ *call, result any) any { return map[string]any{"status": 0, "data": result} },
		refuse:   func(_ *call, r refusal) any { return map[string]any{"status": r.code, "message": r.msg} },
		internal: errFlagshipOther, tooLate: errFlagshipOther,
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isForm := err == nil && kind == "application/x-www-form-urlencoded" // documented as not supported
	if unread != nil || r.Method != http.MethodPost || isForm {
		return errFlagshipArgs
	}
	return nil
}

// flagshipAccount names the account with the given credentials, if there is one.
func (s *Server) flagshipAccount(sid, key string) string {
	if sid != s.settings.FlagshipSid || key != s.settings.FlagshipKey {
		return ""
	}
	return "flagship " + sid + " " + key
}

func (s *Server) checkFlagshipVersion(c *call) error {
	if c.params["v"] != "1.0" {
		return errFlagshipV
	}
	return nil
}

// flagshipCredentials returns the check of the credentials in the parameters of the given names.
func (s *Server) flagshipCredentials(sid, key, salt string) func(*call) error {
	_, wantSalt := s.settings.flagshipSecret()
	return func(c *call) error {
		switch {
		case c.params[sid] != s.settings.FlagshipSid:
			return errFlagshipSid
		case c.params[key] != s.settings.FlagshipKey, c.params[salt] != wantSalt:
			return errFlagshipVerify
		default:
			return nil
		}
	}
}

// flagshipSecret returns the two parts of the secret: the one that signs and the one that is sent.
func (s Settings) flagshipSecret() (secret, salt string) {
	secret, salt, _ = strings.Cut(s.FlagshipSecret, ":")
	return secret, salt
}

// checkFlagshipTime refuses numbers beyond 32 bits, like milliseconds, with the error of the
// vendor's parser.
func (s *Server) checkFlagshipTime(c *call) error {
	text := c.params["timestamp"]
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return refusal{code: 1, msg: fmt.Sprintf("For input string: %q", text)}
	}
	if c.now.Sub(time.Unix(seconds+flagshipEpoch, 0)).Abs() > s.settings.FlagshipSkew {
		return errFlagshipTime
	}
	return nil
}

func (s *Server) checkFlagshipSign(c *call) error {
	secret, _ := s.settings.flagshipSecret()
	if !same(c.params["sign"], flagshipSign(secret, c.params, c.body)) {
		return errFlagshipVerify
	}
	return nil
}

func (s *Server) checkFlagshipLimit(c *call) error {
	if _, ok := c.struck[faults.RateLimit]; ok {
		s.accounts.refused(c.account)
		return s.errFlagshipLimit(tooOftenTexts)
	}
	switch s.accounts.admit(c.account, c.api, c.now) {
	case tooOften:
		return s.errFlagshipLimit(tooOftenTexts)
	case tooManyAtOnce:
		return s.errFlagshipLimit(tooManyTexts)
	default:
		return nil
	}
}

// errFlagshipLimit returns the refusal with one of the texts in turn.
func (s *Server) errFlagshipLimit(texts []string) error {
	n := s.limited.Add(1) - 1
	return refusal{code: 100, msg: texts[n%int64(len(texts))]}
}

func (s *Server) checkFlagshipMethod(c *call) error {
	method := c.params["method"]
	switch {
	case c.endpoint.serve == nil:
		return refusal{code: 100, msg: "方法不存在:" + method} // text and code are invented
	case c.endpoint.qimenOnly:
		return refusal{code: 100, msg: "The API used internal only: " + method}
	default:
		return nil
	}
}

// readFlagshipPaging reads the page that a direct call asks for, counted from 0.
func (s *Server) readFlagshipPaging(c *call) error {
	if !c.endpoint.paged {
		return nil
	}
	index, err := strconv.ParseInt(c.params["page_no"], 10, 64)
	asked, err2 := strconv.ParseInt(c.params["page_size"], 10, 64)
	if c.params["page_no"] == "" || c.params["page_size"] == "" {
		return errNotPaged(c.params["method"])
	}
	size, ok := s.settings.pageSize(asked, flagshipMaxPageSize)
	if err != nil || err2 != nil || index < 0 || !ok {
		return errFlagshipArgs
	}
	c.paging = paging{index: int(min(index, maxPage)), size: size, total: c.params["calc_total"] == "1"}
	return nil
}

func errNotPaged(method string) error {
	return refusal{code: 100, msg: "此方法仅支持分页查询：" + method}
}

// readFlagshipBody reads the positional arguments of a direct call: one object, or nothing for
// methods without arguments.
func (s *Server) readFlagshipBody(c *call) error {
	body, err := parseJSON(c.body)
	list, isList := body.([]any)
	if err != nil || !isList {
		return errFlagshipArgs
	}
	if !c.endpoint.paged && len(list) == 0 {
		return nil
	}
	if len(list) != 1 {
		return errFlagshipCount
	}
	object, isObject := list[0].(map[string]any)
	if !isObject {
		return errFlagshipType
	}
	c.args = object
	return nil
}

// coreNow tells the time; that it is a text is an assumption.
func (s *Server) coreNow(c *call) (any, error) { return written(c.now), nil }

// noPreStockIns answers that there are none.
func (s *Server) noPreStockIns(c *call) (any, error) { return s.page(c, "order", nil, 0), nil }
