// Package contract finds the target messages that this release knows, by name.
package contract

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The kinds of target messages; a new .proto file in one of these folders needs no line here.
	_ "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	_ "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
	_ "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
	_ "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// Message returns the type of the target message with that full name, for example
// "erpstream.mysql.v1.PurchaseIn". The error names the messages that there are.
func Message(name string) (protoreflect.MessageType, error) {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil || !IsTarget(mt.Descriptor()) {
		return nil, fmt.Errorf("unknown target message %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return mt, nil
}

// Names returns the full names of all target messages, sorted.
func Names() []string {
	var names []string
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		if IsTarget(mt.Descriptor()) {
			names = append(names, string(mt.Descriptor().FullName()))
		}
		return true
	})
	slices.Sort(names)
	return names
}

// IsTarget reports whether a message can be the target of a flow: it says where it is stored.
func IsTarget(md protoreflect.MessageDescriptor) bool {
	return proto.HasExtension(md.Options(), sinkv1.E_Table) ||
		proto.HasExtension(md.Options(), sinkv1.E_Document) || IsReference(md)
}

// Table returns where a target message is stored, nil when it is not stored in a table.
func Table(md protoreflect.MessageDescriptor) *sinkv1.Table {
	t, _ := proto.GetExtension(md.Options(), sinkv1.E_Table).(*sinkv1.Table)
	return t
}

// Document returns how a target message is booked through an API, nil when it is not.
func Document(md protoreflect.MessageDescriptor) *sinkv1.Document {
	d, _ := proto.GetExtension(md.Options(), sinkv1.E_Document).(*sinkv1.Document)
	return d
}

// IsReference reports whether a target message is kept as master data.
func IsReference(md protoreflect.MessageDescriptor) bool {
	reference, _ := proto.GetExtension(md.Options(), sinkv1.E_Reference).(bool)
	return reference
}

// Column returns how a field is stored; the zero Column when it says nothing of its own.
func Column(fd protoreflect.FieldDescriptor) *sinkv1.Column {
	c, _ := proto.GetExtension(fd.Options(), sinkv1.E_Column).(*sinkv1.Column)
	return c
}

// Wire returns how a field is written in JSON; the zero Wire when it says nothing of its own.
func Wire(fd protoreflect.FieldDescriptor) *sinkv1.Wire {
	w, _ := proto.GetExtension(fd.Options(), sinkv1.E_Wire).(*sinkv1.Wire)
	return w
}
