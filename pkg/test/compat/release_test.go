package compat

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/proto/contract"
)

var release = flag.String("release", "", "keep this new version, whose backup lies in its folder of testdata already")

// TestContracts reads each contract as a version wrote it, with every field: each must be there still, and nothing
// be left over.
func TestContracts(t *testing.T) {
	for _, version := range versions(t) {
		t.Run(version, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join("testdata", version, "contracts", "*.binpb"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no contracts are kept: %v", err)
			}
			for _, file := range files {
				readContract(t, file)
			}
		})
	}
}

func readContract(t *testing.T, file string) {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".binpb")
	mt, err := contract.Message(name)
	if err != nil {
		t.Error(err)
		return
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(strings.TrimSuffix(file, ".binpb") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	m := mt.New()
	if err := proto.Unmarshal(body, m.Interface()); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m.Interface())
	if err == nil {
		text, err = plain(text)
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	mustEqual(t, name, string(text), strings.TrimSpace(string(want)))
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		t.Errorf("%s: %d bytes belong to no field any more", name, len(unknown))
	}
}

// full sets every field of a message: texts to their own names, lists to one element.
func full(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.IsMap():
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("值"))
		case fd.IsList() && fd.Message() != nil:
			full(m.Mutable(fd).List().AppendMutable().Message())
		case fd.IsList():
			m.Mutable(fd).List().Append(scalar(fd))
		case fd.Message() != nil:
			full(m.Mutable(fd).Message())
		default:
			m.Set(fd, scalar(fd))
		}
	}
}

func scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(fd.Name()) + " 值")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(fd.Name()))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(fd.Number()))
	case protoreflect.Int64Kind:
		if fd.FullName() == "google.protobuf.Timestamp.seconds" {
			return protoreflect.ValueOfInt64(1_790_000_000)
		}
		return protoreflect.ValueOfInt64(1<<53 + int64(fd.Number()))
	default:
		panic(fmt.Sprintf("%s: contracts have no %s so far", fd.FullName(), fd.Kind()))
	}
}

// A sealed token, as an account of that secret stores it.
const (
	sealedName    = "kd-main"
	sealedAccount = "200421 300000000000000001"
	sealedSecret  = "0123456789abcdef0123456789abcdef"
	sealedToken   = "eyJ-令牌"
)

func tokenBox(store token.Store) token.Box[string] {
	return token.Box[string]{Store: store, Name: sealedName, Account: sealedAccount, Secret: func() (string, error) { return sealedSecret, nil }}
}

// TestSealedTokenOpens opens what a version sealed.
func TestSealedTokenOpens(t *testing.T) {
	for _, version := range versions(t) {
		text, err := os.ReadFile(filepath.Join("testdata", version, "token.hex"))
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		store := &token.Memory{}
		if _, err := store.Save(t.Context(), sealedName, sealed, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := tokenBox(store).Load(t.Context()); err != nil || got != sealedToken {
			t.Errorf("%s: the token is %q, %v", version, got, err)
		}
	}
}

// TestRelease keeps a new version with -release: it notes what its backup means, writes each contract with every field,
// and adds all files to the list. Without the flag it sees that every contract of this version could be kept.
func TestRelease(t *testing.T) {
	contracts := map[string]proto.Message{}
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		m := mt.New()
		full(m)
		contracts[name] = m.Interface()
	}
	if *release == "" {
		return
	}
	folder := filepath.Join("testdata", *release)
	if _, err := os.Stat(meaningFile(*release)); err == nil {
		t.Fatalf("%s is kept already: what is released stays as it is", *release)
	}
	js, _ := load(t, *release, asItWas)
	var text bytes.Buffer
	for _, l := range understand(t, js) {
		row, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(row, '\n'))
	}
	put(t, meaningFile(*release), text.Bytes())
	for name, m := range contracts {
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(folder, "contracts", name+".binpb"), body)
		words, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err == nil {
			words, err = plain(words)
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(folder, "contracts", name+".json"), append(words, '\n'))
	}
	store := &token.Memory{}
	if err := tokenBox(store).Save(t.Context(), sealedToken); err != nil {
		t.Fatal(err)
	}
	sealed, _, err := store.Load(t.Context(), sealedName)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(folder, "token.hex"), []byte(hex.EncodeToString(sealed)+"\n"))
	listSums(t)
}

// listSums adds the files of the new version to the list; those of others stay as they are in it.
func listSums(t *testing.T) {
	t.Helper()
	all := summed(t, "testdata")
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, *release+"/") {
			fmt.Fprintf(&b, "%s  %s\n", all[name], name)
		}
	}
	path := filepath.Join("testdata", sums)
	have, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	put(t, path, append(have, b.String()...))
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
