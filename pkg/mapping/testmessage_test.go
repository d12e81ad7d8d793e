package mapping

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"

	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// everything is a message with a field of every kind; no program has a type for it.
func everything(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	number := int32(0)
	field := func(name string, kind descriptorpb.FieldDescriptorProto_Type, change ...func(*descriptorpb.FieldDescriptorProto)) *descriptorpb.FieldDescriptorProto {
		number++
		f := &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(number), Type: kind.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		for _, c := range change {
			c(f)
		}
		return f
	}
	typed := func(name string) func(*descriptorpb.FieldDescriptorProto) {
		return func(f *descriptorpb.FieldDescriptorProto) { f.TypeName = new(name) }
	}
	list := func(f *descriptorpb.FieldDescriptorProto) {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	choice := func(f *descriptorpb.FieldDescriptorProto) { f.OneofIndex = proto.Int32(0) }
	money := func(f *descriptorpb.FieldDescriptorProto) {
		f.Options = &descriptorpb.FieldOptions{}
		proto.SetExtension(f.Options, sinkv1.E_Column, &sinkv1.Column{Type: new("DECIMAL(18,4)")})
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: new("everything.proto"), Package: new("test"), Edition: descriptorpb.Edition_EDITION_2023.Enum(), Syntax: new("editions"),
		Dependency: []string{"google/protobuf/timestamp.proto", "erpstream/sink/v1/options.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: new("Color"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: new("COLOR_NONE"), Number: proto.Int32(0)}, {Name: new("COLOR_RED"), Number: proto.Int32(1)}}}},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: new("Everything"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("i32", descriptorpb.FieldDescriptorProto_TYPE_INT32),
				field("i64", descriptorpb.FieldDescriptorProto_TYPE_INT64),
				field("u32", descriptorpb.FieldDescriptorProto_TYPE_UINT32),
				field("u64", descriptorpb.FieldDescriptorProto_TYPE_UINT64),
				field("flag", descriptorpb.FieldDescriptorProto_TYPE_BOOL),
				field("text", descriptorpb.FieldDescriptorProto_TYPE_STRING),
				field("amount", descriptorpb.FieldDescriptorProto_TYPE_STRING, money),
				field("color", descriptorpb.FieldDescriptorProto_TYPE_ENUM, typed(".test.Color")),
				field("at", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, typed(".google.protobuf.Timestamp")),
				field("float", descriptorpb.FieldDescriptorProto_TYPE_DOUBLE),
				field("raw", descriptorpb.FieldDescriptorProto_TYPE_BYTES),
				field("texts", descriptorpb.FieldDescriptorProto_TYPE_STRING, list),
				field("nested", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, typed(".test.Everything")),
				field("list", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, typed(".test.Everything"), list),
				field("one", descriptorpb.FieldDescriptorProto_TYPE_STRING, choice),
				field("other", descriptorpb.FieldDescriptorProto_TYPE_STRING, choice),
			},
			OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: new("choice")}},
		}},
	}
	fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return fd.Messages().ByName("Everything")
}
