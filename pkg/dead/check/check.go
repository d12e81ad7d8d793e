// Package check says whether an edited target message keeps its contract. It stands apart from package dead
// because every service buries letters, and the interpreter of the contracts' rules is a third of a program.
package check

import (
	"errors"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// Message names the fields that break the contract, in one line. It fits dead.Desk.Edit.
func Message(m proto.Message) error {
	err := protovalidate.Validate(m)
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return err
	}
	var faults []string
	for _, v := range broken.Violations {
		faults = append(faults, v.String())
	}
	return errors.New(strings.Join(faults, "; "))
}
