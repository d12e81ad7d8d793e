// Package sign makes the signatures of Kingdee's gateway: X-Api-Signature and app_signature.
package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Request is what is signed of a call. The body takes no part.
type Request struct {
	Method, Path string
	// Query is the line that QueryLine or QueryLineAgain makes.
	Query            string
	Nonce, Timestamp string
}

// Signature returns X-Api-Signature. Documented.
func (r Request) Signature(secret string) string {
	lines := []string{r.Method, percent(r.Path), r.Query, "x-api-nonce:" + r.Nonce, "x-api-timestamp:" + r.Timestamp}
	return Seal(secret, strings.Join(lines, "\n")+"\n")
}

// Seal returns the base64 of the hex digits of the HMAC-SHA256 of text. app_signature is the app key
// sealed with the app secret. Documented.
func Seal(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(mac.Sum(nil))))
}

// QueryLine encodes the raw query as it came once more, sorted by its pairs.
func QueryLine(raw string) string {
	pairs := pairs(raw)
	slices.Sort(pairs)
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		pairs[i] = percent(key) + "=" + percent(value)
	}
	return strings.Join(pairs, "&")
}

// QueryLineAgain does as if the query had been encoded by RFC 3986: some clients sign that and send
// another spelling of it.
func QueryLineAgain(raw string) (string, error) {
	pairs := pairs(raw)
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		key, errKey := url.QueryUnescape(key)
		value, errValue := url.QueryUnescape(value)
		if errKey != nil || errValue != nil {
			return "", fmt.Errorf("decode query: %w", errors.Join(errKey, errValue))
		}
		pairs[i] = percent(key) + "=" + percent(value)
	}
	return QueryLine(strings.Join(pairs, "&")), nil
}

// pairs returns the key=value of a raw query.
func pairs(raw string) []string {
	return slices.DeleteFunc(strings.Split(raw, "&"), func(pair string) bool { return pair == "" })
}

// percent encodes all bytes but A-Z a-z 0-9 - _ . ~, upper-case.
func percent(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// Equal compares signatures in a time that tells nothing of them.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
