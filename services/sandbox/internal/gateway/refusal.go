package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// statusGateway is the HTTP status of what the gateway itself refuses. Documented.
const statusGateway = 519

// Refusal is an answer other than success. As an error it ends the checks of a call.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// Code is the errcode, Text the description in the words of the vendor.
	Code int
	Text string
	// ChineseText is the description_cn, which only the gateway gives.
	ChineseText string
}

// Error returns code and text as the vendor gives them.
func (r Refusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// Business returns the refusal of a product: HTTP status 200 with a code, as seen in use.
func Business(code int, format string, args ...any) Refusal {
	return Refusal{Status: http.StatusOK, Code: code, Text: fmt.Sprintf(format, args...)}
}

// The refusals of the gateway. Status and codes are documented, most texts are assumed.
var (
	errVersion     = Refuse(4001, "X-Api-Auth-Version is unsupported", "认证版本不支持")
	errNoClient    = Refuse(4002, "X-Api-ClientID is empty", "客户端ID为空")
	errClient      = Refuse(4003, "X-Api-ClientID is invalid", "客户端ID无效")
	errTime        = Refuse(4006, "X-Api-TimeStamp is invalid", "时间戳无效")
	errSignHeaders = Refuse(4007, "X-Api-SignHeaders is invalid", "签名头无效")
	errSign        = Refuse(4008, "X-Api-Signature is invalid", "签名无效")
	errNoToken     = Refuse(4009, "access token is empty", "访问令牌为空")
	errToken       = Refuse(4010, "access token is invalid", "访问令牌无效")
	errExpired     = Refuse(4011, "access token is expired", "访问令牌已过期")
	errInternal    = Refuse(5000, "internal error", "网关内部错误")
	errRoute       = Refuse(5001, "404 No Route", "API不存在")
	errTooLarge    = Refuse(5005, "request is too large", "请求体过大")

	// ErrNotFound refuses a path that no API has.
	ErrNotFound = Refuse(5001, "API is not found", "API不存在")
	// ErrMethod refuses an HTTP method that the API does not have.
	ErrMethod = Refuse(5002, "method is not allowed", "请求方法不支持")
	// ErrUnavailable says that what is behind the gateway does not answer.
	ErrUnavailable = Refuse(5003, "API is unavailable", "API不可用")
	// ErrTimeout says that what is behind the gateway did not answer in time.
	ErrTimeout = Refuse(5004, "request timeout", "请求超时")
	// ErrTooMany refuses calls beyond a limit. The status was seen in use.
	ErrTooMany = Refusal{Status: http.StatusTooManyRequests, Code: 5007, Text: "too many requests", ChineseText: "请求过于频繁"}

	// errSecret is the one refusal of the token call that was seen in use.
	errSecret = Business(1030002006, "授权密钥校验失败，请获取最新密钥加密")
)

// Refuse returns a refusal of the gateway itself.
func Refuse(code int, text, chinese string) Refusal {
	return Refusal{Status: statusGateway, Code: code, Text: text, ChineseText: chinese}
}

// With returns r with another text.
func (r Refusal) With(text, chinese string) Refusal {
	r.Text, r.ChineseText = text, chinese
	return r
}

// envelope is the form of the products' replies, refusalBody that of the gateway's refusals.
type (
	envelope struct {
		Code int    `json:"errcode"`
		Text string `json:"description"`
		Data any    `json:"data"`
	}
	refusalBody struct {
		Code        int    `json:"errcode"`
		Text        string `json:"description"`
		ChineseText string `json:"description_cn,omitempty"`
	}
)

// body returns what r looks like on the wire.
func (r Refusal) body() any {
	if r.Status == http.StatusOK {
		return envelope{Code: r.Code, Text: r.Text}
	}
	return refusalBody{r.Code, r.Text, r.ChineseText}
}

// write sends body as JSON, or the first half of it; <, > and & stay as they are.
func write(w http.ResponseWriter, status int, body any, half bool) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	whole := bytes.TrimRight(text.Bytes(), "\n")
	if half {
		whole = whole[:len(whole)/2]
	}
	_, err := w.Write(whole)
	return err
}
