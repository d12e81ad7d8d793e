package jushuitan

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeEnvelope(t *testing.T) {
	tests := []struct {
		body string
		want envelope
	}{
		{`{"code":0,"msg":"执行成功","data":{"a":1}}`, envelope{msg: "执行成功", data: json.RawMessage(`{"a":1}`)}},
		{`{"code":"0","msg":null,"data":null,"request_id":77}`, envelope{requestID: "77"}},
		{"\xef\xbb\xbf{\"code\":\"199\",\"msg\":\"慢\"}\n", envelope{code: 199, msg: "慢"}},
		{`{"code":100.0,"issuccess":"true"}`, envelope{code: 100}},
		{`{"code":0,"issuccess":0}`, envelope{denied: true}},
		{`{"code":-4}`, envelope{code: -4}},
		{`{"code":0,"has_next":false,"datas":[]}`, envelope{data: json.RawMessage(`{"code":0,"has_next":false,"datas":[]}`)}},
		{`{"code":0,"has_next":false,"data":{}}`, envelope{data: json.RawMessage(`{}`)}},
	}
	for _, tt := range tests {
		if got, err := decodeEnvelope([]byte(tt.body)); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.body, got, err, tt.want)
		}
	}
}

func TestDecodeEnvelopeRefuses(t *testing.T) {
	for body, why := range map[string]string{
		"":                          "empty",
		" \n":                       "empty",
		"null":                      "null",
		"[]":                        "a JSON array",
		`"ok"`:                      "a JSON string",
		"<html>":                    "not JSON",
		`{"code":0,"data":{"dat`:    "not JSON",
		`{"code":0}{"code":0}`:      "not JSON",
		`{}`:                        "no code",
		`{"Code":0,"data":{}}`:      "no code",
		`{"code":null}`:             "no code",
		`{"code":"x"}`:              "code is no whole number",
		`{"code":1.5}`:              "code is no whole number",
		`{"code":{}}`:               "code is no whole number",
		`{"code":1e300}`:            "code is no whole number",
		`{"code":"NaN"}`:            "code is no whole number",
		`{"code":0,"issuccess":[]}`: "issuccess is no flag",
	} {
		if _, err := decodeEnvelope([]byte(body)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: err = %v, want %q", body, err, why)
		}
	}
}

func TestDecodePage(t *testing.T) {
	rows := func(rows ...string) []json.RawMessage {
		var out []json.RawMessage
		for _, r := range rows {
			out = append(out, json.RawMessage(r))
		}
		return out
	}
	tests := []struct {
		name, data string
		keys       []string
		want       Page
	}{
		{"plain", `{"page_size":30,"page_index":1,"data_count":61,"page_count":3,"has_next":true,"datas":[{"io_id":1}]}`, nil,
			Page{rows(`{"io_id":1}`), 1, 30, 61, 3, true, ""}},
		{"bytes untouched", "{\"page_index\":1,\"has_next\":false,\"datas\":[ {\"qty\": 2.0000,\n \"u\":\"\\u5176\", \"ts\":9007199254740993} ]}", nil,
			Page{rows("{\"qty\": 2.0000,\n \"u\":\"\\u5176\", \"ts\":9007199254740993}"), 1, 0, -1, -1, false, ""}},
		{"numbers as strings", `{"page_size":"30","page_index":"2.0","data_count":"61","page_count":"","has_next":"true","datas":[{}]}`, nil,
			Page{rows(`{}`), 2, 30, 61, -1, true, ""}},
		{"no totals", `{"datas":[{}],"page_index":1,"has_next":0,"page_size":100}`, nil, Page{rows(`{}`), 1, 100, -1, -1, false, ""}},
		{"rows null", `{"page_index":1,"page_size":30,"data_count":0,"page_count":0,"has_next":false,"datas":null}`, nil, Page{nil, 1, 30, 0, 0, false, ""}},
		{"rows missing", `{"page_index":1,"page_size":30,"data_count":0,"page_count":0,"has_next":false}`, nil, Page{nil, 1, 30, 0, 0, false, ""}},
		{"rows empty", `{"has_next":1,"datas":[]}`, nil, Page{[]json.RawMessage{}, 0, 0, -1, -1, true, ""}},
		{"orders", `{"has_next":"0","orders":[{"o_id":1}]}`, nil, Page{rows(`{"o_id":1}`), 0, 0, -1, -1, false, ""}},
		{"inventorys", `{"has_next":"True","datas":null,"inventorys":[1]}`, nil, Page{rows(`1`), 0, 0, -1, -1, true, ""}},
		{"shops", `{"has_next":false,"shops":[1]}`, nil, Page{rows(`1`), 0, 0, -1, -1, false, ""}},
		{"own key", `{"has_next":false,"datas":[1],"list":[2]}`, []string{"list"}, Page{rows(`2`), 0, 0, -1, -1, false, ""}},
		{"next by pages", `{"page_index":3,"page_count":3,"datas":[1]}`, nil, Page{rows(`1`), 3, 0, -1, 3, false, ""}},
		{"next unknown", `{"page_index":3,"has_next":null,"datas":[1]}`, nil, Page{rows(`1`), 3, 0, -1, -1, true, ""}},
		{"next unknown, empty", `{"page_index":3}`, nil, Page{nil, 3, 0, -1, -1, false, ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := decodePage(json.RawMessage(tt.data), tt.keys); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestDecodePageRefuses(t *testing.T) {
	for data, why := range map[string]string{
		"":                         "data: empty",
		`[]`:                       "data: a JSON array",
		`{"datas":{}}`:             "datas is no array",
		`{"datas":"[]"}`:           "datas is no array",
		`{"page_index":"one"}`:     "page_index is no whole number",
		`{"data_count":true}`:      "data_count is no whole number",
		`{"has_next":"maybe"}`:     "has_next is no flag",
		`{"has_next":{"a":"b"}}`:   "has_next is no flag",
		`{"page_count":1.5}`:       "page_count is no whole number",
		`{"page_size":[30]}`:       "page_size is no whole number",
		`{"datas":[{"io_id":1}`:    "not JSON",
		`{"datas":1,"orders":[1]}`: "datas is no array",
	} {
		if _, err := decodePage(json.RawMessage(data), nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: err = %v, want %q", data, err, why)
		}
	}
}

// Whatever comes, decoding doesn't panic, and every row is JSON that was in the answer.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"code":0,"msg":"执行成功","data":{"page_index":1,"has_next":true,"datas":[{"io_id":1},{"io_id":2}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		env, err := decodeEnvelope(body)
		if err != nil {
			return
		}
		page, err := decodePage(env.data, nil)
		if err != nil {
			return
		}
		for _, row := range page.Rows {
			if !json.Valid(row) || !bytes.Contains(body, row) {
				t.Errorf("row %q is not JSON out of %q", row, body)
			}
		}
	})
}
