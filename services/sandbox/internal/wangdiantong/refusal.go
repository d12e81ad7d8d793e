package wangdiantong

import "fmt"

// refusal is an answer that is not a success. As an error it ends the checks of a call.
type refusal struct {
	code int
	msg  string
	// sub is the finer code of a refusal by Qimen itself; empty if Wangdiantong refuses.
	sub string
}

// Error returns code and text as the vendor gives them.
func (r refusal) Error() string { return fmt.Sprintf("%d %s", r.code, r.msg) }

// Refusals of the flagship edition. Their texts are the vendor's where not marked otherwise.
var (
	errFlagshipSid    = refusal{code: 1, msg: "sid is not exists"}
	errFlagshipVerify = refusal{code: 1, msg: "验证失败"}
	errFlagshipArgs   = refusal{code: 1, msg: "参数错误"}
	errFlagshipCount  = refusal{code: 1, msg: "invalid argument count"}
	errFlagshipType   = refusal{code: 1, msg: "argument type mismatch"}
	errFlagshipTime   = refusal{code: 7, msg: "时间戳错误"}
	errFlagshipV      = refusal{code: 8, msg: "版本错误"}
	errFlagshipOther  = refusal{code: 99, msg: "系统异常"} // invented
	errNoTimes        = refusal{code: 100, msg: "参数中必须包含起止时间"}
	errWideWindow     = refusal{code: 100, msg: "您的查询时间过宽,查询时间不能大于30天"}
	errEndFirst       = refusal{code: 100, msg: "结束时间不能早于开始时间"} // invented
	errNoShops        = refusal{code: 100, msg: "传入店铺编号全部错误"}
	errManyMatches    = refusal{code: 100, msg: "模糊查询到多条单据"} // invented
)

// The texts of the limits of the flagship edition come with either comma.
var (
	tooOftenTexts = []string{"超过每分钟最大调用频率限制，请稍后重试", "超过每分钟最大调用频率限制,请稍后重试"}
	tooManyTexts  = []string{"超过每分钟最大并发次数限制，请稍后重试", "超过每分钟最大并发次数限制,请稍后重试"}
)

// Refusals of Qimen itself: the general codes of its platform.
var (
	errGatewayLimit      = gatewayRefusal(7, "App Call Limited", "accesscontrol.limited-by-app-access-count")
	errNoMethod          = gatewayRefusal(21, "Missing Method", "isv.missing-method")
	errBadMethod         = gatewayRefusal(22, "Invalid Method", "isv.invalid-method")
	errBadFormat         = gatewayRefusal(23, "Invalid Format", "isv.invalid-format")
	errNoSign            = gatewayRefusal(24, "Missing Signature", "isv.missing-signature")
	errBadSign           = gatewayRefusal(25, "Invalid Signature", "isv.invalid-signature")
	errNoAppKey          = gatewayRefusal(28, "Missing App Key", "isv.missing-app-key")
	errBadAppKey         = gatewayRefusal(29, "Invalid App Key", "isv.invalid-app-key")
	errNoTimestamp       = gatewayRefusal(30, "Missing Timestamp", "isv.missing-timestamp")
	errBadTimestamp      = gatewayRefusal(31, "Invalid Timestamp", "isv.invalid-timestamp")
	errNoVersion         = gatewayRefusal(32, "Missing Version", "isv.missing-version")
	errBadVersion        = gatewayRefusal(33, "Invalid Version", "isv.invalid-version")
	errGatewayLate       = gatewayRefusal(15, "Remote service error", "isp.unknown-error")
	errGatewayParameters = gatewayRefusal(41, "Invalid Arguments", "isv.invalid-parameter")
)

func gatewayRefusal(code int, msg, sub string) refusal {
	return refusal{code: code, msg: msg, sub: sub}
}

func missingArgument(name string) error {
	return gatewayRefusal(40, "Missing Required Arguments:"+name, "isv.missing-parameter:"+name)
}

func invalidArgument(name string) error {
	return gatewayRefusal(41, "Invalid Arguments:"+name, "isv.invalid-parameter:"+name)
}

// Refusals of the enterprise edition: their codes are settings, their texts invented.

func (s Settings) errSid() error { return refusal{code: s.Codes.Sid, msg: "sid不存在或已停用"} }

func (s Settings) errAppKey() error {
	return refusal{code: s.Codes.AppKey, msg: "appkey不存在或未授权"}
}

func (s Settings) errNoAPI(name string) error {
	return refusal{code: s.Codes.AppKey, msg: "接口不存在或未授权:" + name}
}

func (s Settings) errTimestamp() error {
	return refusal{code: s.Codes.Timestamp, msg: "timestamp与服务器时间误差超过允许范围"}
}

func (s Settings) errSign() error { return refusal{code: s.Codes.Sign, msg: "签名错误"} }

func (s Settings) errParameter(name string) error {
	return refusal{code: s.Codes.Parameter, msg: "参数错误:" + name}
}

func (s Settings) errWindow() error {
	return refusal{code: s.Codes.Window, msg: "时间跨度不能超过30天"}
}

func (s Settings) errEnterpriseLimit(exceeded limit) error {
	if exceeded == tooManyAtOnce {
		return refusal{code: s.Codes.Rate, msg: "超过最大并发数,请稍后重试"}
	}
	return refusal{code: s.Codes.Rate, msg: "超过每分钟最大调用频率限制,请稍后重试"}
}
