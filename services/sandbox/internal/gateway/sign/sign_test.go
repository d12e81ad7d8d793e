package sign

import "testing"

// secret signs all vectors but the vendor's own.
const secret = "0123456789abcdef0123456789abcdef"

func TestSeal(t *testing.T) {
	for _, test := range []struct{ name, appKey, appSecret, want string }{
		{"V1 of the vendor", "abc", "abc123", "ZDljMTI3NGIyNTE1MTRkYzlkNjc1MDNhYjUzMzgzNWMyY2M4YTdjMzdmNmM3YTVlNDkxMTkzNjdiOTFjNzUyZQ=="},
		{"T3a", "aB3dE9kZ", "fedcba9876543210fedcba9876543210", "MDFmZjcyNmZiNjRhZTkwNzkzZmY2MmI0N2RlMjdiNmNiY2JiYjg5YTY5NjQxMTg0YTg0MjU3ODBmMGZkYmMzZg=="},
	} {
		if got := Seal(test.appSecret, test.appKey); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestSignature(t *testing.T) {
	const token = "/jdyconnector/app_management/kingdee_auth_token"
	for _, test := range []struct{ name, secret, method, path, raw, nonce, stamp, want string }{
		{
			"V2 of the vendor", "f2adcfef73369bfc4e1384677d38a0ff", "GET", token,
			"app_key=bVZgAZOv1&app_signature=MzZlYTk0ODk4MWZlNjdiODNmNWU4YzViNzYxNGM5MTFlOGJkN2NjMzk0MTJkZGNhZGM0NzZhN2YxZDJmOTlkZA%3D%3D",
			"4427456950", "1670305063559", "OTFiZTliNDFiMjNkYTI3YzVhNzg4MDI4ZGU3MWY1ZTA5ZTk1NjVlNGM1YTI1ZjIxY2Y5YTA3ZGY2OGI1MGQ1MQ==",
		},
		{
			"T3", secret, "GET", token,
			"app_key=aB3dE9kZ&app_signature=MDFmZjcyNmZiNjRhZTkwNzkzZmY2MmI0N2RlMjdiNmNiY2JiYjg5YTY5NjQxMTg0YTg0MjU3ODBmMGZkYmMzZg%3D%3D",
			"1234567890", "1760000000000", "NmQ5NWEyOGE5NDJkYTUxZTk5NTQ0MTU3NTdjYzI0YmU4ZmJmZTdiOGUyOTFmYWUzYjM5MDM3MThiNGY2ZTJiOQ==",
		},
		{
			"T4", secret, "POST", "/jdyconnector/app_management/push_app_authorize", "outerInstanceId=300000000000000001",
			"1234567891", "1760000000001", "MDIzN2VlMDNkZTZjOGIwYTA3ZDU2NmYwZDg5ZDg2ZGJkY2JhYzNlNjA5NTgzODVjODYwOTg3MmJhN2E4MTcwMw==",
		},
		{
			"T5, no query", secret, "POST", "/jdy/v2/scm/inv_check_gail_bill", "",
			"1234567892", "1760000000002", "OWJjNGRmYjc5YWQyOGZkYmYzYTE5YWIxYTE4MzliZGQwYmQ4NWU2MWMwZTZkYmEwNjk5NTFiYTEwNTRjZjBiMg==",
		},
		{
			"T6, unsorted", secret, "GET", "/jdy/v2/bd/material",
			"page=1&page_size=100&modify_start_time=1759999000000&modify_end_time=1760000000000&show_units=true",
			"1234567893", "1760000000003", "OThiOWUzNzFjNzM2N2YyNDU2MzAyNDJiZmFmYmNjZGI1YzE5NGZlNzQ0NTNhYzRhOTc2ZWNiNTU1MTkzY2U4NA==",
		},
		{
			"T7r, blank as %20", secret, "GET", "/jdy/v2/bd/customer_detail", "number=%E5%BA%97%E9%93%BA-10%2FA%20B",
			"1234567894", "1760000000004", "YTJhNjI2NTBjM2E2YjY2YzU3MjE4MjYwMTNmMDIwOTk3ZGNmZjQzNzcwZWUzZGNkYzBlZjIxNjE0NWU4ZGQzMA==",
		},
		{
			"T7j, blank as +", secret, "GET", "/jdy/v2/bd/customer_detail", "number=%E5%BA%97%E9%93%BA-10%2FA+B",
			"1234567894", "1760000000004", "YmM1Yzk4MGQ3YzdiZTgxMzg5ZTkyYTdhNzI0YTkyMjUzZTFiYzYyOTYzOTNlMjI0YzAwNGM1ODU3Y2M1MDlmMw==",
		},
		{
			"T8j, form encoding", secret, "GET", "/jdy/v2/bd/material", "search=a%7Eb*c&page=1&page1=x",
			"1234567895", "1760000000005", "OGIzODkwZWQwOWE5ZjA3OWJhYTNmNGI3ZWM4MmMxY2ViNGNkN2M3NGNlZDNjYWNhOTBmYThmODJkMjNlZWQyZQ==",
		},
	} {
		r := Request{Method: test.method, Path: test.path, Query: QueryLine(test.raw), Nonce: test.nonce, Timestamp: test.stamp}
		if got := r.Signature(test.secret); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestQueryLines(t *testing.T) {
	for _, test := range []struct{ raw, line, again string }{
		{"", "", ""},
		{"page=1&page1=x&search=a%7Eb*c", "page1=x&page=1&search=a%257Eb%2Ac", "page1=x&page=1&search=a~b%252Ac"},
		{"n=A+B", "n=A%2BB", "n=A%2520B"},
		{"n=A%20B", "n=A%2520B", "n=A%2520B"},
		{"k=a=b&e", "e=&k=a%3Db", "e=&k=a%253Db"},
	} {
		if got := QueryLine(test.raw); got != test.line {
			t.Errorf("%q: %s, want %s", test.raw, got, test.line)
		}
		if got, err := QueryLineAgain(test.raw); err != nil || got != test.again {
			t.Errorf("%q again: %s, %v, want %s", test.raw, got, err, test.again)
		}
	}
	if got, err := QueryLineAgain("a=%zz"); err == nil {
		t.Errorf("a query that can't be decoded is %s", got)
	}
}
