package wangdiantong

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// enterQimen lets a call through Qimen in. The sandbox plays the gateway and Wangdiantong behind
// it, so nothing is signed again between them.
func (s *Server) enterQimen(c *call, unread error) error {
	method, known := strings.CutPrefix(withoutScene(c.params["method"]), "wdt.")
	_, hasCustomer := c.params["wdt3_customer_id"]
	_, hasParams := c.params["params"]
	gateway := []func(*call) error{
		s.checkQimenMethod, s.checkTopAppKey, s.checkTopTime, s.checkSignMethod, s.checkTopSign, s.checkTarget, s.checkGatewayLimit,
	}
	if hasCustomer || hasParams {
		c.endpoint = s.flagship[s.flagshipQM[method]]
		c.account = s.flagshipAccount(c.params["wdt3_customer_id"], c.params["wdt_appkey"])
		c.door = s.flagshipAtQimen(gateway)
	} else {
		c.endpoint = s.enterprise[strings.ReplaceAll(method, ".", "_")]
		if c.params["sid"] == s.settings.Sid && c.params["app_key"] == s.settings.TopAppKey {
			c.account = "enterprise " + s.settings.Sid + " qimen " + s.settings.TopAppKey
		}
		c.door = s.enterpriseAtQimen(gateway)
	}
	c.api = "wdt." + method
	if c.endpoint.serve == nil || !known {
		c.api, c.endpoint = "unknown", endpoint{}
	}
	if unread != nil {
		return errGatewayParameters
	}
	return nil
}

func (s *Server) enterpriseAtQimen(gateway []func(*call) error) *door {
	return &door{
		edition: enterprise, qimen: true, internal: s.errEnterpriseInternal(), tooLate: errGatewayLate,
		checks: slices.Concat(gateway, []func(*call) error{s.checkSid, s.checkEnterpriseLimit, s.readEnterprisePaging}),
		success: func(c *call, result any) any {
			return response(c, with(result.(map[string]any), map[string]any{"errorcode": 0, "message": "ok"}))
		},
		refuse: s.refuseAtQimen(func(c *call, r refusal) any {
			return response(c, map[string]any{"errorcode": r.code, "message": r.msg})
		}),
	}
}

func (s *Server) flagshipAtQimen(gateway []func(*call) error) *door {
	return &door{
		edition: flagship, qimen: true, internal: errFlagshipOther, tooLate: errGatewayLate,
		checks: slices.Concat(gateway, []func(*call) error{
			s.flagshipCredentials("wdt3_customer_id", "wdt_appkey", "wdt_salt"), s.checkWdtSign, s.checkDatetime,
			s.checkFlagshipLimit, s.readPager, s.readParams,
		}),
		success: func(c *call, result any) any {
			return response(c, map[string]any{"status": s.qimenStatus(0), "data": result})
		},
		refuse: s.refuseAtQimen(func(c *call, r refusal) any {
			return response(c, map[string]any{"status": s.qimenStatus(r.code), "message": r.msg})
		}),
	}
}

// qimenStatus writes a status with the type that the settings say.
func (s *Server) qimenStatus(code int) any {
	if s.settings.QimenStatus == "string" {
		return strconv.Itoa(code)
	}
	return code
}

// response is the frame of all that Wangdiantong answers through Qimen.
func response(c *call, fields map[string]any) any {
	return map[string]any{"response": with(fields, map[string]any{"request_id": requestID(c)})}
}

func requestID(c *call) string { return fmt.Sprintf("sandbox%06d", c.number) }

// refuseAtQimen returns what writes refusals: those of Qimen itself in the shape that the settings
// say, and those of Wangdiantong by theirs.
func (s *Server) refuseAtQimen(theirs func(*call, refusal) any) func(*call, refusal) any {
	return func(c *call, r refusal) any {
		switch {
		case r.sub == "":
			return theirs(c, r)
		case s.settings.GatewayErrors == "error_response":
			return map[string]any{"error_response": map[string]any{
				"code": r.code, "msg": r.msg, "sub_code": r.sub, "sub_msg": r.msg, "request_id": requestID(c),
			}}
		default:
			return response(c, map[string]any{
				"flag": "failure", "code": strconv.Itoa(r.code), "message": r.msg, "sub_code": r.sub, "sub_message": r.msg,
			})
		}
	}
}

func (s *Server) checkQimenMethod(c *call) error {
	if c.params["method"] == "" {
		return errNoMethod
	}
	if c.endpoint.serve == nil {
		return errBadMethod
	}
	return nil
}

func (s *Server) checkTopAppKey(c *call) error {
	switch c.params["app_key"] {
	case "":
		return errNoAppKey
	case s.settings.TopAppKey:
		return nil
	default:
		return errBadAppKey
	}
}

func (s *Server) checkTopTime(c *call) error {
	if c.params["timestamp"] == "" {
		return errNoTimestamp
	}
	at, err := wallClock(c.params["timestamp"])
	if err != nil || c.now.Sub(at).Abs() > s.settings.QimenSkew {
		return errBadTimestamp
	}
	return nil
}

func (s *Server) checkSignMethod(c *call) error {
	switch c.params["sign_method"] {
	case "":
		return missingArgument("sign_method")
	case "md5", "hmac", "hmac-sha256":
		return nil
	default:
		return invalidArgument("sign_method")
	}
}

func (s *Server) checkTopSign(c *call) error {
	if c.params["sign"] == "" {
		return errNoSign
	}
	if !same(c.params["sign"], topSign(c.params["sign_method"], s.settings.TopSecret, c.params)) {
		return errBadSign
	}
	return nil
}

// checkTarget also checks what else Qimen wants, and nobody knows when.
func (s *Server) checkTarget(c *call) error {
	switch {
	case c.params["target_app_key"] == "":
		return missingArgument("target_app_key")
	case c.params["target_app_key"] != s.settings.TargetAppKey:
		return invalidArgument("target_app_key")
	case c.params["format"] != "json":
		return errBadFormat
	case c.params["v"] == "":
		return errNoVersion
	case c.params["v"] != "2.0":
		return errBadVersion
	default:
		return nil
	}
}

// checkGatewayLimit plays the fault that lets Qimen itself refuse a call: one of code 7.
func (s *Server) checkGatewayLimit(c *call) error {
	if f, ok := c.struck[faults.RateLimit]; ok && f.Code == errGatewayLimit.code {
		return errGatewayLimit
	}
	return nil
}

func (s *Server) checkWdtSign(c *call) error {
	secret, _ := s.settings.flagshipSecret()
	if !same(c.params["wdt_sign"], wdtSign(secret, c.params)) {
		return errFlagshipVerify
	}
	return nil
}

// checkDatetime holds the datetime to the tolerance of Qimen: an assumption.
func (s *Server) checkDatetime(c *call) error {
	at, err := wallClock(c.params["datetime"])
	if err != nil || c.now.Sub(at).Abs() > s.settings.QimenSkew {
		return errFlagshipTime
	}
	return nil
}

// readPager reads the page asked for, which Qimen counts from 1. Totals come unasked.
func (s *Server) readPager(c *call) error {
	if !c.endpoint.paged {
		return nil
	}
	pager, err := object(c.params["pager"])
	if err != nil || pager["page_no"] == nil || pager["page_size"] == nil {
		return errNotPaged(strings.TrimPrefix(withoutScene(c.params["method"]), "wdt."))
	}
	index, err := pager.integer("page_no")
	asked, err2 := pager.integer("page_size")
	if err != nil || err2 != nil {
		return errFlagshipType
	}
	size, ok := s.settings.pageSize(asked, flagshipMaxPageSize)
	if index < 1 || !ok {
		return errFlagshipArgs
	}
	c.paging = paging{index: int(min(index-1, maxPage)), size: size, total: true}
	return nil
}

func (s *Server) readParams(c *call) error {
	if c.params["params"] == "" {
		return nil
	}
	args, err := object(c.params["params"])
	if err != nil {
		return errFlagshipArgs
	}
	c.args = args
	return nil
}

// object reads a JSON object.
func object(text string) (arguments, error) {
	v, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read %T: want an object", v)
	}
	return fields, nil
}

// atQimen returns a row with its numbers as the settings have them at Qimen.
func (s *Server) atQimen(c *call, row any) (any, error) {
	if !c.door.qimen || s.settings.QimenNumbers == "number" {
		return row, nil
	}
	text, err := json.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encode row: %w", err)
	}
	v, err := parseJSON(string(text))
	return quoted(v), err
}

// quoted returns v with all numbers as text.
func quoted(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = quoted(v[i])
		}
		return v
	case map[string]any:
		for key, value := range v {
			v[key] = quoted(value)
		}
		return v
	default:
		return v
	}
}
