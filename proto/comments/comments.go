// Package comments has what the .proto files say of messages and fields in their comments, which the
// generated Go leaves out. It is for programs that show contracts to people; a service needs none of it.
package comments

import (
	_ "embed" // the descriptors
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// set is what `make generate` has buf write: the descriptors of all contracts with their comments.
//
//go:embed comments.binpb
var set []byte

// Of returns the comment of a message or field of the contracts as one line, "" when it has none.
func Of(d protoreflect.Descriptor) string {
	texts, _ := all()
	return texts[d.FullName()]
}

// The numbers in google.protobuf.FileDescriptorProto and DescriptorProto that paths are made of.
const (
	messagesOfFile    = 4
	fieldsOfMessage   = 2
	messagesOfMessage = 3
)

// all reads the descriptors once. They are part of the program: broken ones are a defect that the
// package's own test finds.
var all = sync.OnceValues(func() (map[protoreflect.FullName]string, error) {
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(set, &files); err != nil {
		return nil, fmt.Errorf("comments.binpb: %w", err)
	}
	texts := map[protoreflect.FullName]string{}
	for _, file := range files.GetFile() {
		names := map[string]protoreflect.FullName{}
		for i, md := range file.GetMessageType() {
			name(names, md, protoreflect.FullName(file.GetPackage()), []int32{messagesOfFile, int32(i)})
		}
		for _, at := range file.GetSourceCodeInfo().GetLocation() {
			if full, ok := names[key(at.GetPath())]; ok && at.GetLeadingComments() != "" {
				texts[full] = strings.Join(strings.Fields(at.GetLeadingComments()), " ")
			}
		}
	}
	return texts, nil
})

// name notes which path leads to a message, its fields and the messages in it.
func name(names map[string]protoreflect.FullName, md *descriptorpb.DescriptorProto, parent protoreflect.FullName, path []int32) {
	full := parent.Append(protoreflect.Name(md.GetName()))
	names[key(path)] = full
	for i, fd := range md.GetField() {
		names[key(append(path, fieldsOfMessage, int32(i)))] = full.Append(protoreflect.Name(fd.GetName()))
	}
	for i, nested := range md.GetNestedType() {
		name(names, nested, full, append(slices.Clip(path), messagesOfMessage, int32(i)))
	}
}

func key(path []int32) string { return fmt.Sprint(path) }
