package jushuitan

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Sign returns the vendor's signature of a request: the lower-case hex MD5 of the app
// secret followed by key and value of every parameter, keys in ascending order, nothing
// in between (documented, with examples). The values are those that go into the form
// before they are percent-encoded; biz is the exact text. A parameter named sign and
// empty values are left out: never send an empty parameter, since sources differ on it.
func Sign(secret string, params map[string]string) string {
	var src strings.Builder
	src.WriteString(secret)
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if key != "sign" && params[key] != "" {
			src.WriteString(key + params[key])
		}
	}
	sum := md5.Sum([]byte(src.String()))
	return hex.EncodeToString(sum[:])
}
