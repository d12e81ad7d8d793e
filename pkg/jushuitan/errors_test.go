package jushuitan_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/jushuitan"
)

// Every code of the vendor's table, answered for ever: what it means, how often the
// request was sent, what the text advises.
func TestCodes(t *testing.T) {
	const attempts = 3
	tests := []struct {
		code   int
		msg    string
		kind   fault.Kind
		class  string
		sends  int
		advice string
	}{
		{10, "验证失败！无效签名", fault.DownKind, "signature", 1, "app_secret belong together"},
		{120, "验证失败!无效签名", fault.DownKind, "signature", 1, "app_secret belong together"},
		{100, "验证失败！无效的access_token或access_token已过期", fault.DownKind, "token", 2, "app kind"},
		{110, "验证失败！已设置IP白名单，该IP不在白名单列表：203.0.113.7", fault.DownKind, "ip", 1, "IP list"},
		{130, "传输数据不能为空", fault.PermanentKind, "request", 1, ""},
		{140, "参数不符合规范,请检查传入参数!", fault.PermanentKind, "request", 1, ""},
		{140, "验证失败！无效的timestamp，请求最大时间误差15分钟", fault.DownKind, "clock", 2, "clock"},
		{140, "时间戳无效", fault.DownKind, "clock", 2, "clock"},
		{150, "内部处理异常！", fault.BusyKind, "vendor", attempts, ""},
		{150, "服务商应用禁止刷新access_token,需商户重新授权", fault.DownKind, "token", 1, "authorise the app again"},
		{160, "指定快递单不存在", fault.PermanentKind, "request", 1, ""},
		{170, "店铺编号[123]不存在!", fault.PermanentKind, "request", 1, ""},
		{180, "执行失败!", fault.DownKind, "clock", 2, "clock"},
		{190, "验证失败！无API权限，请申请API权限", fault.DownKind, "permission", 1, "apply for this API"},
		{199, "调用太频繁，请稍后再试!", fault.BusyKind, "rate", attempts, ""},
		{200, "调用频次超过限制!", fault.BusyKind, "rate", attempts, ""},
		{21024, "仅支持自有应用", fault.DownKind, "token", 1, "isv"},
		{10015, "参数缺失", fault.PermanentKind, "request", 1, ""},
		{-4, "参数值错误", fault.PermanentKind, "request", 1, ""},
		{999, "财务", fault.PermanentKind, "vendor", 1, ""},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: func(a arrival, _ int) (int, string) {
				if a.path != shops {
					return 200, tokenAnswer("other", refresh, time.Hour)
				}
				return 200, refusal(tt.code, tt.msg)
			}}
			c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.Attempts = attempts })
			_, err := c.Call(t.Context(), shops, nil)
			if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class {
				t.Errorf("code %d %s: %v %s, want %v %s", tt.code, tt.msg, fault.KindOf(err), fault.ClassOf(err), tt.kind, tt.class)
			}
			e, ok := errors.AsType[*jushuitan.Error](err)
			if !ok || e.Code != tt.code || e.Msg != tt.msg || e.Path != shops {
				t.Errorf("code %d: *Error = %+v", tt.code, e)
			}
			if !strings.Contains(err.Error(), tt.msg) || !strings.Contains(err.Error(), tt.advice) {
				t.Errorf("code %d: text %q lacks %q", tt.code, err, tt.advice)
			}
			if sends := len(v.seen(shops)); sends != tt.sends {
				t.Errorf("code %d: sent %d times, want %d", tt.code, sends, tt.sends)
			}
		})
	}
}

// What the client mends by itself the caller never sees.
func TestPassingCodes(t *testing.T) {
	for _, body := range []string{
		refusal(140, "无效的timestamp"), refusal(180, "执行失败!"), refusal(150, "内部处理异常！"),
		refusal(199, "调用太频繁"), refusal(200, "调用频次超过限制!"),
	} {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: func(_ arrival, n int) (int, string) {
				if n == 1 {
					return 200, body
				}
				return 200, emptyPage
			}}
			if _, err := newClient(t, v, given(), nil).Call(t.Context(), shops, nil); err != nil {
				t.Errorf("%s: %v", body, err)
			}
		})
	}
}

// A refused timestamp costs no attempt.
func TestRestampIsExtra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: func(_ arrival, n int) (int, string) {
			bodies := []string{refusal(140, "无效的timestamp"), refusal(150, "内部处理异常！"), emptyPage}
			return 200, bodies[n-1]
		}}
		c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.Attempts = 2 })
		if _, err := c.Call(t.Context(), shops, nil); err != nil {
			t.Error(err)
		}
	})
}

// issuccess false is a refusal even with code 0; the request's name is kept.
func TestDeniedWithCodeZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: always(200, `{"code":"0","issuccess":false,"msg":"拒绝","request_id":"r-7"}`)}
		_, err := newClient(t, v, given(), nil).Call(t.Context(), shops, nil)
		e, ok := errors.AsType[*jushuitan.Error](err)
		if !ok || e.RequestID != "r-7" || !fault.IsPermanent(err) || !strings.Contains(err.Error(), "r-7") {
			t.Errorf("err = %v", err)
		}
	})
}
