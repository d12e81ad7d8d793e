package wangdiantong

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// enterpriseEndpoints are the APIs of the enterprise edition that there are, by name.
func (s *Server) enterpriseEndpoints() map[string]endpoint {
	query := func(serve func(*call) (any, error)) endpoint {
		return endpoint{serve: serve, business: true, paged: true}
	}
	return map[string]endpoint{
		"stockin_order_query": query(s.stockInQuery),
		"warehouse_query":     query(s.enterpriseWarehouses),
		"shop":                query(s.enterpriseShops),
		"shop_query":          query(s.enterpriseShops), // so at Qimen
		"goods_query":         query(s.enterpriseGoods),
	}
}

func enterprisePath(name string) string { return "/openapi2/" + name + ".php" }

func enterpriseMethod(name string) string { return "wdt." + strings.ReplaceAll(name, "_", ".") }

// enterDirect lets a direct call of the enterprise edition in.
func (s *Server) enterDirect(c *call, name string, r *http.Request, unread error) error {
	c.api, c.endpoint = enterprisePath(name), s.enterprise[name]
	if c.endpoint.serve == nil {
		c.api = "/openapi2/unknown.php"
	}
	if c.params["sid"] == s.settings.Sid && c.params["appkey"] == s.settings.AppKey {
		c.account = "enterprise " + s.settings.Sid + " " + s.settings.AppKey
	}
	known := func(*call) error {
		if c.endpoint.serve == nil {
			return s.settings.errNoAPI(name)
		}
		return nil
	}
	c.door = &door{
		edition: enterprise,
		checks: []func(*call) error{
			s.checkSid, s.checkAppKey, s.checkEnterpriseTime, s.checkEnterpriseSign, s.checkEnterpriseLimit, known, s.readEnterprisePaging,
		},
		success: func(_ *call, result any) any {
			return with(result.(map[string]any), map[string]any{"code": 0, "message": "ok"})
		},
		refuse:   func(_ *call, r refusal) any { return map[string]any{"code": r.code, "message": r.msg} },
		internal: s.errEnterpriseInternal(), tooLate: s.errEnterpriseInternal(),
	}
	if unread != nil || r.Method != http.MethodPost {
		return s.settings.errParameter("form")
	}
	return nil
}

func (s *Server) errEnterpriseInternal() refusal {
	return refusal{code: s.settings.Codes.Internal, msg: "系统异常，请稍后再试"}
}

func (s *Server) checkSid(c *call) error {
	if c.params["sid"] != s.settings.Sid {
		return s.settings.errSid()
	}
	return nil
}

func (s *Server) checkAppKey(c *call) error {
	if c.params["appkey"] != s.settings.AppKey {
		return s.settings.errAppKey()
	}
	return nil
}

func (s *Server) checkEnterpriseTime(c *call) error {
	text := c.params["timestamp"]
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(text) != 10 || c.now.Sub(time.Unix(seconds, 0)).Abs() > s.settings.EnterpriseSkew {
		return s.settings.errTimestamp()
	}
	return nil
}

func (s *Server) checkEnterpriseSign(c *call) error {
	how := s.settings.enterpriseSigned(c.params)
	if how == "" {
		return s.settings.errSign()
	}
	s.stats.signature(how)
	return nil
}

func (s *Server) checkEnterpriseLimit(c *call) error {
	if _, ok := c.struck[faults.RateLimit]; ok {
		s.accounts.refused(c.account)
		return s.settings.errEnterpriseLimit(tooOften)
	}
	if exceeded := s.accounts.admit(c.account, c.api, c.now); exceeded != within {
		return s.settings.errEnterpriseLimit(exceeded)
	}
	return nil
}

// The sizes of pages of the enterprise edition.
const (
	enterprisePageSize    = 40
	enterpriseMaxPageSize = 100
)

// readEnterprisePaging reads the page asked for. Totals come with the first page alone.
func (s *Server) readEnterprisePaging(c *call) error {
	index, err := number(c.params["page_no"], 0)
	if err != nil || index < 0 {
		return s.settings.errParameter("page_no")
	}
	asked, err := number(c.params["page_size"], enterprisePageSize)
	size, ok := s.settings.pageSize(asked, enterpriseMaxPageSize)
	if err != nil || !ok {
		return s.settings.errParameter("page_size")
	}
	c.paging = paging{index: int(min(index, maxPage)), size: size, total: index == 0}
	return nil
}

// number reads a whole number; an empty text is otherwise.
func number(text string, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	return strconv.ParseInt(text, 10, 64)
}
