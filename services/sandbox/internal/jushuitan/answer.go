package jushuitan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// answer is the envelope of every reply.
type answer struct {
	Code      int    `json:"code"`
	Msg       string `json:"msg"`
	Data      any    `json:"data"`
	RequestID string `json:"request_id,omitempty"`
}

// refusal is an answer with a code that is not 0. As an error it ends the checks of a call.
type refusal struct {
	code int
	msg  string
}

// Error returns code and text as the vendor gives them.
func (r refusal) Error() string { return fmt.Sprintf("%d %s", r.code, r.msg) }

func missing(field string) error { return refusal{130, "入参缺少" + field} }

func badParameter(what string) error {
	return refusal{140, "参数不符合规范,请检查传入参数! " + what}
}

var (
	errNotAForm    = refusal{130, "传输数据不能为空"}
	errNoInterface = refusal{140, "接口不存在"}
	errTooLarge    = refusal{140, "参数不符合规范,请检查传入参数! 请求体过大"}
	errToken       = refusal{100, "验证失败！无效的access_token或access_token已过期"}
	errRefresh     = refusal{100, "refresh_token无效或已过期"}
	errPermission  = refusal{190, "验证失败！无API权限，请申请API权限"}
	errInternal    = refusal{150, "内部处理异常！"}
	errISVRefresh  = refusal{150, "服务商应用禁止刷新access_token,需商户重新授权"}
	errSelfOnly    = refusal{21024, "仅支持自有应用"}
	errPerSecond   = refusal{199, "调用太频繁，请稍后再试!"}
	errPerMinute   = refusal{200, "调用频次超过限制!"}
)

// write sends a. Business errors have HTTP status 200.
func (a answer) write(w http.ResponseWriter, status int) error {
	var body bytes.Buffer
	if err := encoder(&body).Encode(a); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(bytes.TrimRight(body.Bytes(), "\n"))
	return err
}

// encoder writes JSON as the vendor does: <, > and & stay as they are.
func encoder(to *bytes.Buffer) *json.Encoder {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	return enc
}
