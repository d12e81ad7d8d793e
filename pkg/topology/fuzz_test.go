package topology_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Whatever a rule is called, a value holds or a key says, what stands for it is one token, without a wildcard.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{"qty-is-there", "*", ">", "a.b", "", "数量", "a b", "\r\nPUB x 1\r\n", strings.Repeat("a", 99), "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for what, token := range map[string]string{
			"rule": topology.RuleToken(text), "partition": topology.Partition(text),
			"unique": strings.TrimPrefix(topology.UniqueKey("f", "field", text), "f."), "name": name(text),
		} {
			if token == "" || strings.ContainsAny(token, ".*> \t\r\n\x00") || len(token) > 64 {
				t.Errorf("%s of %q is %q", what, text, token)
			}
		}
	})
}

// name is a text that may be a name, else some other.
func name(text string) string {
	if topology.CheckName(text) != nil {
		return "other"
	}
	return text
}
