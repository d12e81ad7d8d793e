package mapping

import (
	"errors"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/erpstream/erpstream/proto/contract"
)

// Rules are compiled when a message needs them; those that can't be are found here.
func TestRulesOfAllContractsCompile(t *testing.T) {
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		for md := range messagesOf(mt.Descriptor()) {
			err := validatorOf(md).Validate(dynamicpb.NewMessage(md))
			if _, broken := errors.AsType[*protovalidate.ValidationError](err); err != nil && !broken {
				t.Errorf("%s of %s: %v", md.Name(), name, err)
			}
		}
	}
}

// messagesOf returns a message and all that are within it.
func messagesOf(md protoreflect.MessageDescriptor) map[protoreflect.MessageDescriptor]bool {
	all := map[protoreflect.MessageDescriptor]bool{}
	var add func(protoreflect.MessageDescriptor)
	add = func(md protoreflect.MessageDescriptor) {
		if md == nil || all[md] {
			return
		}
		all[md] = true
		for i := range md.Fields().Len() {
			add(md.Fields().Get(i).Message())
		}
	}
	add(md)
	return all
}
