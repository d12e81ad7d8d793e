package kingdee

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// Signature returns the X-Api-Signature of a request (documented, with examples): base64 of the
// lower-case hex HMAC-SHA256 over method, path, query, nonce and time stamp, a line each. path is
// without host and query. rawQuery is what is sent, byte for byte: its names and values are encoded
// once already, and once more for the signature. timestamp is in ms. The body is not signed.
func Signature(clientSecret, method, path, rawQuery, nonce, timestamp string) string {
	return sign(clientSecret, strings.ToUpper(method)+"\n"+
		escape(path)+"\n"+
		signedQuery(rawQuery)+"\n"+
		"x-api-nonce:"+nonce+"\n"+
		"x-api-timestamp:"+timestamp+"\n")
}

// AppSignature returns the app_signature with which a token is asked for (documented, with an example).
func AppSignature(appKey, appSecret string) string { return sign(appSecret, appKey) }

// sign is base64 of the hex text of the HMAC, as the vendor does it.
func sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(mac.Sum(nil))))
}

// signedQuery sorts the pairs of a raw query as text, and encodes each name and value again.
func signedQuery(raw string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	slices.Sort(pairs)
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		pairs[i] = escape(name) + "=" + escape(value)
	}
	return strings.Join(pairs, "&")
}

// EncodeQuery writes parameters as the query that is sent and signed: sorted by name, percent-encoded
// as RFC 3986 says, a blank as %20. Several values of a name are joined by commas (assumed).
func EncodeQuery(params url.Values) string {
	var pairs []string
	for name, values := range params {
		pairs = append(pairs, escape(name)+"="+escape(strings.Join(values, ",")))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape percent-encodes all bytes but letters, digits and -_.~
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0
		if plain {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}
