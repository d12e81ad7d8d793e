package wangdiantong

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Error is a refusal by the vendor or by the Qimen gateway. Get it with errors.AsType[*Error];
// what it means is said by pkg/fault. Texts are verbatim, except that secrets are masked and very
// long ones are cut.
type Error struct {
	// Edition says whose codes these are.
	Edition Edition
	// Gateway says that Qimen refused and the vendor never saw the request, or that it answered
	// the gateway itself with a refusal.
	Gateway bool
	// Code is the vendor's code or errorcode, the flagship's status, or the gateway's code, which
	// need not be a number.
	Code string
	Msg  string
	// SubCode and SubMsg are the gateway's reason, "" when it gave none.
	SubCode, SubMsg string
	// Method is the query as the caller named it.
	Method string
	// RequestID is "" when none was given.
	RequestID string
}

// Error names the method, the code and text of whoever refused, and what an operator can do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wangdiantong %s: %s %s", e.Method, e.codeName(), e.Code)
	if e.SubCode != "" {
		fmt.Fprintf(&b, " (%s)", e.SubCode)
	}
	b.WriteString(": " + e.Msg)
	if e.SubMsg != "" && e.SubMsg != e.Msg {
		b.WriteString(": " + e.SubMsg)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if m, _ := e.meaning(); m.advice != "" {
		b.WriteString("; " + m.advice)
	}
	return b.String()
}

func (e *Error) codeName() string {
	switch {
	case e.Gateway:
		return "gateway code"
	case e.Edition == Flagship:
		return "status"
	default:
		return "code"
	}
}

// remedy is what the client itself can do about an error.
type remedy int

const (
	giveUp  remedy = iota
	nothing        // the refusal only says that nothing was found
	restamp        // once, at once
	waitRate
	backOff
)

// meaning is what a refusal stands for. Empty matches anything: code is compared whole, sub is the
// beginning of the sub code, text a part of the message in lower case.
type meaning struct {
	code, sub, text string
	kind            fault.Kind
	class           string
	remedy          remedy
	advice          string
}

const (
	adviceAccount = "check sid, app_key and the secret app_secret, and that the key may use this API"
	adviceSign    = "check that key and secret belong together; where only requests with Chinese values are refused, try sign_length: bytes"
	adviceClock   = "set this machine's clock: the vendor allows 2 minutes (flagship), 5 (enterprise) or 10 (Qimen)"
	adviceIP      = "add this machine's address to the whitelist of the vendor's console"
	adviceRights  = "grant the account of app_key this API, and the shops and warehouses that are asked for"
	adviceQimen   = "this API is served through Qimen only: set transport: qimen"
	adviceTop     = "check top_app_key and the secret top_app_secret, and that Taobao's console grants the app this scene"
)

// enterpriseMeanings is what is known of the enterprise edition's codes; its own table could not
// be had. 1012 is seen in use in production; the others are seen in use in single clients.
func enterpriseMeanings() []meaning {
	return []meaning{
		{"1012", "", "", fault.BusyKind, "rate", waitRate, ""},
		{"1013", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"1020", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"1030", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"1040", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"1200", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"1610", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"2100", "", "timestamp", fault.DownKind, "clock", restamp, adviceClock},
		{"2100", "", "时间戳", fault.DownKind, "clock", restamp, adviceClock},
		{"2100", "", "", fault.DownKind, "signature", giveUp, adviceSign},
		{"2030", "", "", fault.DownKind, "credentials", giveUp, adviceAccount},
		{"2060", "", "", fault.DownKind, "permission", giveUp, adviceRights},
		{"2104", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"2900", "", "", fault.PermanentKind, "request", giveUp, ""},
	}
}

// flagshipMeanings is the flagship edition's error table (documented); the texts that tell apart
// what shares a number are documented too. The commas in the two limits' texts are not: both kinds
// occur, so the part before them decides.
func flagshipMeanings() []meaning {
	return []meaning{
		{"100", "", "超过每分钟最大调用频率限制", fault.BusyKind, "rate", waitRate, ""},
		{"100", "", "超过每分钟最大并发次数限制", fault.BusyKind, "concurrency", waitRate, "another client calls with this key at the same time"},
		{"100", "", "used internal only", fault.PermanentKind, "request", giveUp, adviceQimen},
		{"100", "", "权限", fault.DownKind, "permission", giveUp, adviceRights},
		{"100", "", "店铺编号全部错误", fault.DownKind, "permission", giveUp, adviceRights},
		{"100", "", "未找到符合条件的", fault.PermanentKind, "request", nothing, ""},
		{"100", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"1", "", "sid is not", fault.DownKind, "credentials", giveUp, adviceAccount},
		{"1", "", "验证失败", fault.DownKind, "signature", giveUp, adviceAccount},
		{"1", "", "app auth fail", fault.DownKind, "permission", giveUp, adviceRights},
		{"1", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"2", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"3", "", "", fault.DownKind, "permission", giveUp, "switch the dynamic password off for the account of app_key"},
		{"4", "", "", fault.BusyKind, "vendor", backOff, ""}, // its database
		{"5", "", "", fault.BusyKind, "vendor", backOff, ""}, // likewise
		{"6", "", "", fault.DownKind, "ip", giveUp, adviceIP},
		{"7", "", "", fault.DownKind, "clock", restamp, adviceClock},
		{"8", "", "", fault.PermanentKind, "request", giveUp, ""},
	}
}

// gatewayMeanings is Taobao's error table (documented), and the sub codes that say more. Which of
// the sub codes occur for which code is seen in use; accesscontrol is assumed.
func gatewayMeanings() []meaning {
	return []meaning{
		{"7", "", "", fault.BusyKind, "rate", waitRate, ""},
		{"", "accesscontrol.limited", "", fault.BusyKind, "rate", waitRate, ""},
		{"", "sign-check-failure", "", fault.DownKind, "signature", giveUp, adviceTop},
		{"sign-check-failure", "", "", fault.DownKind, "signature", giveUp, adviceTop},
		{"", "isp.", "", fault.BusyKind, "vendor", backOff, ""},
		{"10", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"11", "", "", fault.DownKind, "permission", giveUp, adviceTop},
		{"24", "", "", fault.DownKind, "signature", giveUp, adviceTop},
		{"25", "", "", fault.DownKind, "signature", giveUp, adviceTop},
		{"26", "", "", fault.DownKind, "credentials", giveUp, adviceTop},
		{"27", "", "", fault.DownKind, "credentials", giveUp, adviceTop},
		{"28", "", "", fault.DownKind, "credentials", giveUp, adviceTop},
		{"29", "", "", fault.DownKind, "credentials", giveUp, adviceTop},
		{"30", "", "", fault.DownKind, "clock", restamp, adviceClock},
		{"31", "", "", fault.DownKind, "clock", restamp, adviceClock},
		{"", "isv.", "", fault.PermanentKind, "request", giveUp, ""},
		{"15", "", "", fault.BusyKind, "vendor", backOff, ""},
		{"9", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"21", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"22", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"23", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"32", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"33", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"34", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"40", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"41", "", "", fault.PermanentKind, "request", giveUp, ""},
		{"43", "", "", fault.PermanentKind, "request", giveUp, ""},
	}
}

func (m meaning) fits(e *Error) bool {
	return (m.code == "" || m.code == e.Code) && strings.HasPrefix(e.SubCode, m.sub) &&
		strings.Contains(strings.ToLower(e.Msg), m.text)
}

// meaning returns what a refusal means. A code that is not known is not retried; of the enterprise
// edition's, those of the twenties are taken for the account's (assumed).
func (e *Error) meaning() (m meaning, known bool) {
	table := enterpriseMeanings()
	switch {
	case e.Gateway:
		table = gatewayMeanings()
	case e.Edition == Flagship:
		table = flagshipMeanings()
	}
	for _, m := range table {
		if m.fits(e) {
			return m, true
		}
	}
	if n, err := strconv.Atoi(e.Code); err == nil && e.Edition == Enterprise && !e.Gateway && n >= 2000 && n < 2100 {
		return meaning{kind: fault.DownKind, class: "credentials", advice: adviceAccount}, false
	}
	return meaning{kind: fault.PermanentKind, class: "vendor"}, false
}

// classified returns e marked with what it means.
func (e *Error) classified() error {
	m, _ := e.meaning()
	return fault.Mark(m.kind, m.class, 0, e)
}

// remedyFor says what the client can do about any error of an attempt.
func remedyFor(err error) remedy {
	if e, ok := errors.AsType[*Error](err); ok {
		m, _ := e.meaning()
		return m.remedy
	}
	if fault.KindOf(err) == fault.BusyKind || fault.ClassOf(err) == "connection" {
		return backOff
	}
	return giveUp
}
