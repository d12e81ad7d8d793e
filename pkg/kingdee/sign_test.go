package kingdee_test

import (
	"net/url"
	"testing"

	"github.com/erpstream/erpstream/pkg/kingdee"
)

const secret = "0123456789abcdef0123456789abcdef"

// V1 and V2 are the vendor's examples, the others were made with the vendor's own library.
func TestSignature(t *testing.T) {
	const tokenPath = "/jdyconnector/app_management/kingdee_auth_token"
	tests := []struct {
		name, secret, method, path, query, nonce, timestamp, want string
	}{
		{"V2", "f2adcfef73369bfc4e1384677d38a0ff", "GET", tokenPath,
			kingdee.EncodeQuery(url.Values{"app_key": {"bVZgAZOv1"}, "app_signature": {"MzZlYTk0ODk4MWZlNjdiODNmNWU4YzViNzYxNGM5MTFlOGJkN2NjMzk0MTJkZGNhZGM0NzZhN2YxZDJmOTlkZA=="}}),
			"4427456950", "1670305063559", "OTFiZTliNDFiMjNkYTI3YzVhNzg4MDI4ZGU3MWY1ZTA5ZTk1NjVlNGM1YTI1ZjIxY2Y5YTA3ZGY2OGI1MGQ1MQ=="},
		{"T3", secret, "GET", tokenPath,
			kingdee.EncodeQuery(url.Values{"app_key": {"aB3dE9kZ"}, "app_signature": {kingdee.AppSignature("aB3dE9kZ", "fedcba9876543210fedcba9876543210")}}),
			"1234567890", "1760000000000", "NmQ5NWEyOGE5NDJkYTUxZTk5NTQ0MTU3NTdjYzI0YmU4ZmJmZTdiOGUyOTFmYWUzYjM5MDM3MThiNGY2ZTJiOQ=="},
		{"T4", secret, "POST", "/jdyconnector/app_management/push_app_authorize", "outerInstanceId=300000000000000001",
			"1234567891", "1760000000001", "MDIzN2VlMDNkZTZjOGIwYTA3ZDU2NmYwZDg5ZDg2ZGJkY2JhYzNlNjA5NTgzODVjODYwOTg3MmJhN2E4MTcwMw=="},
		{"T5", secret, "post", "/jdy/v2/scm/inv_check_gail_bill", "",
			"1234567892", "1760000000002", "OWJjNGRmYjc5YWQyOGZkYmYzYTE5YWIxYTE4MzliZGQwYmQ4NWU2MWMwZTZkYmEwNjk5NTFiYTEwNTRjZjBiMg=="},
		{"T6", secret, "GET", "/jdy/v2/bd/material",
			kingdee.EncodeQuery(url.Values{"page": {"1"}, "page_size": {"100"}, "modify_start_time": {"1759999000000"}, "modify_end_time": {"1760000000000"}, "show_units": {"true"}}),
			"1234567893", "1760000000003", "OThiOWUzNzFjNzM2N2YyNDU2MzAyNDJiZmFmYmNjZGI1YzE5NGZlNzQ0NTNhYzRhOTc2ZWNiNTU1MTkzY2U4NA=="},
		{"T7r", secret, "GET", "/jdy/v2/bd/customer_detail", kingdee.EncodeQuery(url.Values{"number": {"店铺-10/A B"}}),
			"1234567894", "1760000000004", "YTJhNjI2NTBjM2E2YjY2YzU3MjE4MjYwMTNmMDIwOTk3ZGNmZjQzNzcwZWUzZGNkYzBlZjIxNjE0NWU4ZGQzMA=="},
		{"T7j", secret, "GET", "/jdy/v2/bd/customer_detail", "number=%E5%BA%97%E9%93%BA-10%2FA+B",
			"1234567894", "1760000000004", "YmM1Yzk4MGQ3YzdiZTgxMzg5ZTkyYTdhNzI0YTkyMjUzZTFiYzYyOTYzOTNlMjI0YzAwNGM1ODU3Y2M1MDlmMw=="},
		{"T8j", secret, "GET", "/jdy/v2/bd/material", "search=a%7Eb*c&page=1&page1=x",
			"1234567895", "1760000000005", "OGIzODkwZWQwOWE5ZjA3OWJhYTNmNGI3ZWM4MmMxY2ViNGNkN2M3NGNlZDNjYWNhOTBmYThmODJkMjNlZWQyZQ=="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := kingdee.Signature(tt.secret, tt.method, tt.path, tt.query, tt.nonce, tt.timestamp); got != tt.want {
				t.Errorf("signature = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAppSignature(t *testing.T) {
	tests := []struct{ name, key, secret, want string }{
		{"V1", "abc", "abc123", "ZDljMTI3NGIyNTE1MTRkYzlkNjc1MDNhYjUzMzgzNWMyY2M4YTdjMzdmNmM3YTVlNDkxMTkzNjdiOTFjNzUyZQ=="},
		{"T3a", "aB3dE9kZ", "fedcba9876543210fedcba9876543210", "MDFmZjcyNmZiNjRhZTkwNzkzZmY2MmI0N2RlMjdiNmNiY2JiYjg5YTY5NjQxMTg0YTg0MjU3ODBmMGZkYmMzZg=="},
	}
	for _, tt := range tests {
		if got := kingdee.AppSignature(tt.key, tt.secret); got != tt.want {
			t.Errorf("%s: app_signature = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestEncodeQuery(t *testing.T) {
	got := kingdee.EncodeQuery(url.Values{"b": {"x y", "z"}, "a": {"~-_.*+/=&%"}, "c": {""}, "d": nil, "店": {"铺"}})
	const want = "%E5%BA%97=%E9%93%BA&a=~-_.%2A%2B%2F%3D%26%25&b=x%20y%2Cz&c=&d="
	if got != want {
		t.Errorf("query = %s, want %s", got, want)
	}
}
