package wangdiantong

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SignMethod is how the Qimen gateway's signature is made.
type SignMethod string

const (
	// MD5 is what all clients use that were seen (seen in use).
	MD5 SignMethod = "md5"
	// HMAC is HMAC-MD5 (seen in use).
	HMAC SignMethod = "hmac"
	// HMACSHA256 is HMAC-SHA-256 (seen in use, in one client).
	HMACSHA256 SignMethod = "hmac-sha256"
)

// SignEnterprise returns the signature of a direct request to the enterprise edition: the
// lower-case hex MD5 of the packed parameters followed by the secret (documented, with an
// example). A parameter named sign is left out. Lengths in the pack count characters, which
// matters for Chinese values alone (seen in use, in clients of three languages); countBytes makes
// them count bytes, as other clients do.
func SignEnterprise(secret string, params map[string]string, countBytes bool) string {
	length := utf8.RuneCountInString
	if countBytes {
		length = func(s string) int { return len(s) }
	}
	var pack []string
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if value := params[key]; key != "sign" {
			pack = append(pack, fmt.Sprintf("%02d-%s:%04d-%s", length(key), key, length(value), value))
		}
	}
	return lowerMD5(strings.Join(pack, ";") + secret)
}

// SignFlagship returns the signature of a direct request to the flagship edition (documented, with
// an example). params are those of the query, and the exact text of the body under the key body; a
// parameter named sign is left out. secret is the part of the app secret before the colon.
func SignFlagship(secret string, params map[string]string) string {
	return lowerMD5(secret + concat(params, func(key, _ string) bool { return key != "sign" }) + secret)
}

// SignTop returns the signature that the Qimen gateway of Taobao wants over all parameters, in
// upper-case hex (documented). Empty keys and values and a parameter named sign are left out:
// never send an empty value, since sources differ on it. A method that is not known counts as MD5.
func SignTop(secret string, method SignMethod, params map[string]string) string {
	text := concat(params, func(key, value string) bool { return key != "" && value != "" && key != "sign" })
	var sum hash.Hash
	switch method {
	case HMAC:
		sum = hmac.New(md5.New, []byte(secret))
	case HMACSHA256:
		sum = hmac.New(sha256.New, []byte(secret))
	default:
		return strings.ToUpper(lowerMD5(secret + text + secret))
	}
	sum.Write([]byte(text))
	return strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
}

// SignQimen returns wdt_sign, the flagship edition's own signature inside a request through Qimen
// (seen in use, in the vendor's PHP and Java). params are Wangdiantong's parameters and method,
// whose scene prefix does not count. JSON text is signed by its content: neither the order of its
// keys nor its white space matters. Nulls, wdt3_customer_id and wdt_sign are left out at any depth.
func SignQimen(secret string, params map[string]string) string {
	values := make(map[string]any, len(params))
	for key, value := range params {
		values[key] = value
	}
	if _, method, ok := strings.Cut(params["method"], "."); ok && !strings.HasPrefix(params["method"], "wdt.") {
		values["method"] = method
	}
	var text strings.Builder
	flatten(&text, values)
	return lowerMD5(secret + text.String() + secret)
}

// flatten writes a value as wdt_sign sees it.
func flatten(out *strings.Builder, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if v[key] != nil && key != "wdt3_customer_id" && key != "wdt_sign" {
				out.WriteString(key)
				flatten(out, v[key])
			}
		}
	case []any:
		for _, element := range v {
			flatten(out, element)
		}
	case string:
		if inner, ok := structure(v); ok {
			flatten(out, inner)
			return
		}
		out.WriteString(v)
	case json.Number:
		out.WriteString(v.String())
	case bool:
		out.WriteString(strconv.FormatBool(v))
	}
}

// structure returns the object or array that a text holds.
func structure(text string) (any, bool) {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || !json.Valid([]byte(text)) {
		return nil, false
	}
	var value any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&value)
	return value, err == nil
}

// concat returns key and value of all parameters that count, keys in the order of their bytes.
func concat(params map[string]string, counts func(key, value string) bool) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if counts(key, params[key]) {
			out.WriteString(key + params[key])
		}
	}
	return out.String()
}

func lowerMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
