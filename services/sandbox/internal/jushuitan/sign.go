package jushuitan

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// sign returns the signature of params: the MD5, in lower-case hex, of the secret followed by
// the key and value of each parameter but "sign", by ascending key. Values are as they were
// before form encoding. keepEmpty says whether parameters without a value take part.
func sign(secret string, params map[string]string, keepEmpty bool) string {
	var text strings.Builder
	text.WriteString(secret)
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if key == "sign" || params[key] == "" && !keepEmpty {
			continue
		}
		text.WriteString(key)
		text.WriteString(params[key])
	}
	sum := md5.Sum([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// signed tells whether params carry a signature that s accepts.
func (s Settings) signed(params map[string]string) bool {
	got := params["sign"]
	if s.SignAnyCase {
		got = strings.ToLower(got)
	}
	equal := func(keepEmpty bool) bool {
		return subtle.ConstantTimeCompare([]byte(got), []byte(sign(s.AppSecret, params, keepEmpty))) == 1
	}
	return s.SignEmpty != "keep" && equal(false) || s.SignEmpty != "skip" && equal(true)
}
