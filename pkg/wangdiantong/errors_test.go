package wangdiantong_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// Every refusal that is known, answered for ever: what it means, how often the request was sent,
// what the text advises.
func TestRefusals(t *testing.T) {
	const attempts = 3
	busy, down, permanent := fault.BusyKind, fault.DownKind, fault.PermanentKind
	tests := []struct {
		edition wangdiantong.Edition
		code    int
		msg     string
		kind    fault.Kind
		class   string
		sends   int
		advice  string
	}{
		{wangdiantong.Enterprise, 1012, "超过每分钟最大调用频率限制", busy, "rate", attempts, ""},
		{wangdiantong.Enterprise, 1013, "稍后再试", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 1020, "系统异常，请稍后再试", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 1030, "", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 1040, "", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 1200, "", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 1610, "", busy, "vendor", attempts, ""},
		{wangdiantong.Enterprise, 2030, "无效的卖家账号", down, "credentials", 1, "check sid"},
		{wangdiantong.Enterprise, 2060, "无权限", down, "permission", 1, "grant the account"},
		{wangdiantong.Enterprise, 2100, "签名错误", down, "signature", 1, "sign_length"},
		{wangdiantong.Enterprise, 2100, "Timestamp 超时", down, "clock", 2, "clock"},
		{wangdiantong.Enterprise, 2100, "时间戳错误", down, "clock", 2, "clock"},
		{wangdiantong.Enterprise, 2104, "参数错误", permanent, "request", 1, ""},
		{wangdiantong.Enterprise, 2900, "时间或单号必传其一", permanent, "request", 1, ""},
		{wangdiantong.Enterprise, 2010, "?", down, "credentials", 1, "check sid"},
		{wangdiantong.Enterprise, 7200, "单据不存在", permanent, "vendor", 1, ""},
		{wangdiantong.Enterprise, 11000000, "时间跨度", permanent, "vendor", 1, ""},
		{wangdiantong.Enterprise, -1, "?", permanent, "vendor", 1, ""},

		{wangdiantong.Flagship, 1, "参数个数错误", permanent, "request", 1, ""},
		{wangdiantong.Flagship, 1, "sid is not exists", down, "credentials", 1, "check sid"},
		{wangdiantong.Flagship, 1, "sid is not found", down, "credentials", 1, "check sid"},
		{wangdiantong.Flagship, 1, "验证失败", down, "signature", 1, "app_secret"},
		{wangdiantong.Flagship, 1, "app auth fail", down, "permission", 1, "grant"},
		{wangdiantong.Flagship, 1, `For input string: "1717400000000"`, permanent, "request", 1, ""},
		{wangdiantong.Flagship, 2, "modified_form", permanent, "request", 1, ""},
		{wangdiantong.Flagship, 3, "需要动态口令", down, "permission", 1, "dynamic password"},
		{wangdiantong.Flagship, 4, "数据库错误", busy, "vendor", attempts, ""},
		{wangdiantong.Flagship, 5, "数据库错误", busy, "vendor", attempts, ""},
		{wangdiantong.Flagship, 6, "ip限制", down, "ip", 1, "whitelist"},
		{wangdiantong.Flagship, 7, "时间戳错误", down, "clock", 2, "clock"},
		{wangdiantong.Flagship, 8, "版本错误", permanent, "request", 1, ""},
		{wangdiantong.Flagship, 99, "其他", permanent, "vendor", 1, ""},
		{wangdiantong.Flagship, 100, "超过每分钟最大调用频率限制，请稍后重试", busy, "rate", attempts, ""},
		{wangdiantong.Flagship, 100, "超过每分钟最大调用频率限制,请稍后重试", busy, "rate", attempts, ""},
		{wangdiantong.Flagship, 100, "超过每分钟最大并发次数限制，请稍后重试", busy, "concurrency", attempts, "another client"},
		{wangdiantong.Flagship, 100, "超过每分钟最大并发次数限制,请稍后重试", busy, "concurrency", attempts, "another client"},
		{wangdiantong.Flagship, 100, "权限不足", down, "permission", 1, "grant"},
		{wangdiantong.Flagship, 100, "无仓库访问权限", down, "permission", 1, "grant"},
		{wangdiantong.Flagship, 100, "传入店铺编号全部错误", down, "permission", 1, "grant"},
		{wangdiantong.Flagship, 100, "The API used internal only: wms.stockin.PreStockin.search", permanent, "request", 1, "transport: qimen"},
		{wangdiantong.Flagship, 100, "参数中必须包含起止时间", permanent, "request", 1, ""},
		{wangdiantong.Flagship, 100, "您的查询时间过宽,查询时间不能大于30天", permanent, "request", 1, ""},
		{wangdiantong.Flagship, 100, "此方法仅支持分页查询：aftersales.refund.Refund.search", permanent, "request", 1, ""},
	}
	for _, tt := range tests {
		for _, a := range accounts {
			if a.edition != tt.edition {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				v := newVendor(t, a, 200, a.refusal(tt.code, tt.msg))
				_, err := v.client(func(cfg *wangdiantong.Config) { cfg.Attempts = attempts }).Page(t.Context(), a.call(0))
				if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class {
					t.Errorf("%s %d %s: %v %s, want %v %s", a, tt.code, tt.msg, fault.KindOf(err), fault.ClassOf(err), tt.kind, tt.class)
				}
				e, ok := errors.AsType[*wangdiantong.Error](err)
				if !ok || e.Code != fmt.Sprint(tt.code) || e.Msg != tt.msg || e.Method != a.call(0).Method || e.Gateway {
					t.Errorf("%s %d: *Error = %+v", a, tt.code, e)
				}
				if !strings.Contains(err.Error(), tt.msg) || !strings.Contains(err.Error(), tt.advice) {
					t.Errorf("%s %d: text %q lacks %q", a, tt.code, err, tt.advice)
				}
				if sends := len(v.seen()); sends != tt.sends {
					t.Errorf("%s %d %s: sent %d times, want %d", a, tt.code, tt.msg, sends, tt.sends)
				}
			})
		}
	}
}

// The gateway's own refusals, in both shapes.
func TestGatewayRefusals(t *testing.T) {
	const attempts = 3
	busy, down, permanent := fault.BusyKind, fault.DownKind, fault.PermanentKind
	tests := []struct {
		code, sub string
		kind      fault.Kind
		class     string
		sends     int
		advice    string
	}{
		{"7", "", busy, "rate", attempts, ""},
		{"7", "accesscontrol.limited-by-api-access-count", busy, "rate", attempts, ""},
		{"8", "accesscontrol.limited-by-app-access-count", busy, "rate", attempts, ""},
		{"9", "", permanent, "request", 1, ""},
		{"10", "", busy, "vendor", attempts, ""},
		{"11", "isv.permission-api-package-limit", down, "permission", 1, "top_app_key"},
		{"15", "", busy, "vendor", attempts, ""},
		{"15", "isp.remote-service-timeout", busy, "vendor", attempts, ""},
		{"15", "isv.wrong-parameter", permanent, "request", 1, ""},
		{"15", "sign-check-failure", down, "signature", 1, "top_app_secret"},
		{"sign-check-failure", "", down, "signature", 1, "top_app_secret"},
		{"50", "isp.unknown-error", busy, "vendor", attempts, ""},
		{"21", "", permanent, "request", 1, ""}, {"22", "", permanent, "request", 1, ""}, {"23", "", permanent, "request", 1, ""},
		{"24", "", down, "signature", 1, "top_app_secret"}, {"25", "isv.invalid-signature", down, "signature", 1, "top_app_secret"},
		{"26", "", down, "credentials", 1, "top_app_key"}, {"27", "", down, "credentials", 1, "top_app_key"},
		{"28", "", down, "credentials", 1, "top_app_key"}, {"29", "isv.appkey-not-exists", down, "credentials", 1, "top_app_key"},
		{"30", "", down, "clock", 2, "clock"}, {"31", "", down, "clock", 2, "clock"},
		{"32", "", permanent, "request", 1, ""}, {"33", "", permanent, "request", 1, ""}, {"34", "", permanent, "request", 1, ""},
		{"40", "isv.missing-parameter", permanent, "request", 1, ""}, {"41", "", permanent, "request", 1, ""}, {"43", "", permanent, "request", 1, ""},
		{"77", "isv.something", permanent, "request", 1, ""},
		{"77", "", permanent, "vendor", 1, ""},
		{"2100", "", permanent, "vendor", 1, ""},
		{"", "", permanent, "vendor", 1, ""},
	}
	shapes := map[string]string{
		"failure":        `{"response":{"flag":"failure","code":%q,"message":"原因","sub_code":%q,"sub_message":"细节","request_id":"q-1"}}`,
		"error_response": `{"error_response":{"code":%q,"msg":"原因","sub_code":%q,"sub_msg":"细节","request_id":"q-1"}}`,
	}
	for shape, text := range shapes {
		for _, tt := range tests {
			for _, a := range []account{enterpriseQimen, flagshipQimen} {
				synctest.Test(t, func(t *testing.T) {
					v := newVendor(t, a, 200, fmt.Sprintf(text, tt.code, tt.sub))
					_, err := v.client(func(cfg *wangdiantong.Config) { cfg.Attempts = attempts }).Page(t.Context(), a.call(0))
					if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class {
						t.Errorf("%s %s %s: %v %s, want %v %s", shape, tt.code, tt.sub, fault.KindOf(err), fault.ClassOf(err), tt.kind, tt.class)
					}
					e, ok := errors.AsType[*wangdiantong.Error](err)
					if !ok || !e.Gateway || e.Code != tt.code || e.SubCode != tt.sub || e.Msg != "原因" || e.SubMsg != "细节" || e.RequestID != "q-1" {
						t.Errorf("%s %s: *Error = %+v", shape, tt.code, e)
					}
					for _, want := range []string{"gateway code " + tt.code, "原因: 细节", "request q-1", tt.advice} {
						if !strings.Contains(fmt.Sprint(err), want) {
							t.Errorf("%s %s: text %q lacks %q", shape, tt.code, err, want)
						}
					}
					if sends := len(v.seen()); sends != tt.sends {
						t.Errorf("%s %s %s: sent %d times, want %d", shape, tt.code, tt.sub, sends, tt.sends)
					}
				})
			}
		}
	}
}

// The gateway's code is a number in some answers.
func TestGatewayCodeAsNumber(t *testing.T) {
	v := newVendor(t, enterpriseQimen, 200, `{"error_response":{"code":25,"msg":"Invalid signature"}}`)
	_, err := v.client(nil).Page(t.Context(), enterpriseQimen.call(0))
	if fault.ClassOf(err) != "signature" {
		t.Errorf("err = %v", err)
	}
}

// What the client mends by itself the caller never sees.
func TestPassingRefusals(t *testing.T) {
	passing := map[account][]string{
		enterpriseDirect: {enterpriseDirect.refusal(1012, "频率"), enterpriseDirect.refusal(1020, "系统异常"), enterpriseDirect.refusal(2100, "timestamp")},
		enterpriseQimen:  {`{"response":{"flag":"failure","code":"15","sub_code":"isp.timeout"}}`, `{"error_response":{"code":7}}`, `{"error_response":{"code":31}}`},
		flagshipDirect:   {flagshipDirect.refusal(100, "超过每分钟最大调用频率限制,请稍后重试"), flagshipDirect.refusal(7, "时间戳错误"), flagshipDirect.refusal(5, "")},
		flagshipQimen:    {flagshipQimen.refusal(100, "超过每分钟最大并发次数限制，请稍后重试")},
	}
	for a, bodies := range passing {
		for _, body := range bodies {
			synctest.Test(t, func(t *testing.T) {
				v := newVendor(t, a, 200, "")
				v.answer = func(_ arrival, n int) (int, string) {
					if n == 1 {
						return 200, body
					}
					return 200, a.ok(`"total_count":1,`, "[{}]")
				}
				page, err := v.client(nil).Page(t.Context(), a.call(0))
				if err != nil || len(page.Rows) != 1 || len(v.seen()) != 2 {
					t.Errorf("%s %s: %+v, %v after %d requests", a, body, page, err, len(v.seen()))
				}
			})
		}
	}
}

// A refused timestamp costs no attempt.
func TestRestampIsExtra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, flagshipDirect, 200, "")
		v.answer = func(_ arrival, n int) (int, string) {
			return 200, []string{flagshipDirect.refusal(7, "时间戳错误"), flagshipDirect.refusal(5, ""), flagshipDirect.ok("", "[]")}[n-1]
		}
		if _, err := v.client(func(cfg *wangdiantong.Config) { cfg.Attempts = 2 }).Page(t.Context(), flagshipDirect.call(0)); err != nil {
			t.Error(err)
		}
	})
}

// A code that is known is the vendor's word under any HTTP status, another is the way's.
func TestRefusalUnderHTTPError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, enterpriseDirect, 404, enterpriseDirect.refusal(2104, "接口不存在"))
		_, err := v.client(nil).Page(t.Context(), enterpriseDirect.call(0))
		if e, ok := errors.AsType[*wangdiantong.Error](err); !ok || e.Code != "2104" || !fault.IsPermanent(err) {
			t.Errorf("err = %v", err)
		}
		v = newVendor(t, enterpriseDirect, 502, `{"code":502,"message":"upstream"}`)
		if _, err := v.client(nil).Page(t.Context(), enterpriseDirect.call(0)); fault.ClassOf(err) != "http" || len(v.seen()) != 5 {
			t.Errorf("err = %v after %d requests", err, len(v.seen()))
		}
	})
}
