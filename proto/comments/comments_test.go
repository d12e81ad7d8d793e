package comments

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/erpstream/erpstream/proto/contract"
)

func TestOf(t *testing.T) {
	message, err := contract.Message("erpstream.kingdee.v1.InventoryGainBill")
	if err != nil {
		t.Fatal(err)
	}
	md := message.Descriptor()
	lines := md.Fields().ByName("material_entity")
	for want, d := range map[string]protoreflect.Descriptor{
		"InventoryGainBill (盘盈单).": md,
		"单据日期, yyyy-MM-dd.":        md.Fields().ByName("bill_date"),
		"商品 id in the account set": lines.Message().Fields().ByName("material_id"),
	} {
		if got := Of(d); !strings.Contains(got, want) {
			t.Errorf("comment of %s is %q, want %q in it", d.FullName(), got, want)
		}
	}
	if got := Of(md.Fields().ByName("custom_field")); got != "" {
		t.Errorf("comment of a field without one is %q", got)
	}
}

// TestDescriptorsAreThoseOfTheGo finds a contract that was changed without `make generate`; a comment
// alone that was changed so is found by `make check`.
func TestDescriptorsAreThoseOfTheGo(t *testing.T) {
	if _, err := all(); err != nil {
		t.Fatal(err)
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(set, &files); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files.GetFile() {
		found[file.GetName()] = true
		generated, err := protoregistry.GlobalFiles.FindFileByPath(file.GetName())
		if err != nil {
			continue // a contract that this test does not import
		}
		file.SourceCodeInfo = nil
		if want := protodesc.ToFileDescriptorProto(generated); !proto.Equal(file, want) {
			t.Errorf("%s is not what the Go was made of: run make generate", file.GetName())
		}
	}
	for _, name := range contract.Names() {
		message, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		if path := message.Descriptor().ParentFile().Path(); !found[path] {
			t.Errorf("no comments of %s: run make generate", path)
		}
	}
}
