package wangdiantong

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// length counts a text as a signature does.
type length func(string) int

func inCharacters(text string) int { return utf8.RuneCountInString(text) }

func inBytes(text string) int { return len(text) }

// packed returns the text that a signature of the enterprise edition is made of: each parameter
// but "sign" with the lengths of its key and its value, by ascending key.
func packed(params map[string]string, count length) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if key != "sign" {
			parts = append(parts, fmt.Sprintf("%02d-%s:%04d-%s", count(key), key, count(params[key]), params[key]))
		}
	}
	return strings.Join(parts, ";")
}

// enterpriseSign returns the signature of the enterprise edition called directly.
func enterpriseSign(secret string, params map[string]string, count length) string {
	return lowerMD5(packed(params, count) + secret)
}

// enterpriseSigned returns how the lengths were counted in the signature of params: "characters"
// as the vendor does, or one of the variants that a lenient vendor accepts; empty if it is wrong.
func (s Settings) enterpriseSigned(params map[string]string) string {
	got := params["sign"]
	if same(got, enterpriseSign(s.AppSecret, params, inCharacters)) {
		return "characters"
	}
	if s.SignLength != "lenient" {
		return ""
	}
	if same(got, enterpriseSign(s.AppSecret, params, inBytes)) {
		return "bytes"
	}
	filled := maps.Clone(params)
	maps.DeleteFunc(filled, func(_, value string) bool { return value == "" })
	switch {
	case same(got, enterpriseSign(s.AppSecret, filled, inCharacters)):
		return "characters, without empty values"
	case same(got, enterpriseSign(s.AppSecret, filled, inBytes)):
		return "bytes, without empty values"
	default:
		return ""
	}
}

// flagshipSign returns the signature of the flagship edition called directly. The body takes part
// under the key "body".
func flagshipSign(secret string, query map[string]string, body string) string {
	all := maps.Clone(query)
	all["body"] = body
	delete(all, "sign")
	return lowerMD5(secret + joined(all) + secret)
}

// topSign returns the signature of Qimen by the given method: md5, hmac or hmac-sha256. Pairs
// without a key or a value do not take part.
func topSign(method, secret string, params map[string]string) string {
	signed := maps.Clone(params)
	maps.DeleteFunc(signed, func(key, value string) bool { return key == "" || value == "" || key == "sign" })
	text := joined(signed)
	var sum []byte
	switch method {
	case "hmac":
		mac := hmac.New(md5.New, []byte(secret))
		mac.Write([]byte(text))
		sum = mac.Sum(nil)
	case "hmac-sha256":
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		sum = mac.Sum(nil)
	default:
		whole := md5.Sum([]byte(secret + text + secret))
		sum = whole[:]
	}
	return strings.ToUpper(hex.EncodeToString(sum))
}

// gatewayParams are the parameters that belong to Qimen and not to what it passes on.
var gatewayParams = []string{
	"app_key", "target_app_key", "timestamp", "format", "v", "sign_method", "sign", "session", "partner_id", "simplify", "method",
}

// wdtSign returns the signature of the flagship edition within a call through Qimen. The method
// takes part without the prefix of its scene.
func wdtSign(secret string, params map[string]string) string {
	signed := map[string]any{"method": withoutScene(params["method"])}
	for key, value := range params {
		if !slices.Contains(gatewayParams, key) {
			signed[key] = value
		}
	}
	var text strings.Builder
	flatten(&text, signed)
	return lowerMD5(secret + text.String() + secret)
}

// flatten writes the keys and values in v, keys in ascending order at every level. JSON texts
// count as what they hold, so the order and spacing in them make no difference.
func flatten(to *strings.Builder, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key == "wdt3_customer_id" || key == "wdt_sign" || v[key] == nil {
				continue
			}
			to.WriteString(key)
			flatten(to, v[key])
		}
	case []any:
		for _, element := range v {
			flatten(to, element)
		}
	case string:
		if held, ok := container(v); ok {
			flatten(to, held)
			return
		}
		to.WriteString(v)
	case nil:
	default:
		fmt.Fprint(to, v) // numbers as they were written, true and false
	}
}

// container returns the JSON object or array that text is, if it is one.
func container(text string) (any, bool) {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		return nil, false
	}
	v, err := parseJSON(trimmed)
	return v, err == nil
}

// parseJSON reads one JSON text and keeps its numbers as they are written.
func parseJSON(text string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("read JSON: there is more than one value")
	}
	return v, nil
}

// withoutScene returns a method of Qimen as Wangdiantong knows it: hu3cgwt0tc.wdt.shop.query is
// wdt.shop.query.
func withoutScene(method string) string {
	scene, rest, found := strings.Cut(method, ".")
	if found && scene != "wdt" {
		return rest
	}
	return method
}

// joined returns all keys and values, by ascending key and with nothing between them.
func joined(params map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(params)) {
		text.WriteString(key)
		text.WriteString(params[key])
	}
	return text.String()
}

func lowerMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }
