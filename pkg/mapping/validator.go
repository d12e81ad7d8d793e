package mapping

import (
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// validator checks messages of one kind by the rules of their contract. It compiles these when it checks the first
// message: one pass knows most rules itself, and what the library has in memory for them is an eighth of an idle
// service.
type validator struct {
	compiled func() (protovalidate.Validator, error)
}

// validators are by the message that they check: mappings onto one share it.
var validators sync.Map

func validatorOf(md protoreflect.MessageDescriptor) *validator {
	made, _ := validators.LoadOrStore(md, &validator{sync.OnceValues(func() (protovalidate.Validator, error) {
		return protovalidate.New(protovalidate.WithMessageDescriptors(md), protovalidate.WithDisableLazy())
	})})
	return made.(*validator)
}

// Validate returns which rules a message breaks.
func (v *validator) Validate(msg proto.Message) error {
	compiled, err := v.compiled()
	if err != nil {
		return err
	}
	return compiled.Validate(msg)
}
