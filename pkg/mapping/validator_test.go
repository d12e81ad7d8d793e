package mapping

import (
	"testing"

	"github.com/erpstream/erpstream/proto/contract"
)

// Rules are compiled when a message needs them; those that can't be are found here.
func TestRulesOfAllContractsCompile(t *testing.T) {
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := validatorOf(mt.Descriptor()).compiled(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
