package reference

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Whatever the id of a document is, its key is one of its own below the collection: no wildcard, no further
// token, nobody else's.
func FuzzKey(f *testing.F) {
	for _, seed := range [][2]string{{"1", "2"}, {"a.b", "a=2Eb"}, {"*", ">"}, {"", " "}, {"中", "\xff"}, {"a\r\nPUB x", "=="}, {"=2A", "*"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		const head = "kd.kingdee.material."
		key := Key("kd", "kingdee.material", one)
		id, ok := strings.CutPrefix(key, head)
		if !ok || strings.ContainsFunc(id, func(r rune) bool { return r != '=' && (r > 'z' || !isPlain(byte(r))) }) {
			t.Errorf("key of %q is %q", one, key)
		}
		if (key == Key("kd", "kingdee.material", other)) != (one == other) {
			t.Errorf("%q and %q have the key %q", one, other, key)
		}
		if one == "" {
			return
		}
		if collection, encoded, err := place("kd", Subject(key)); err != nil || collection != "kingdee.material" || encoded != id {
			t.Errorf("%q lies at %s, %s: %v", key, collection, encoded, err)
		}
	})
}

// Whatever stands in the bucket is a state or is refused, and what is a state can be put again.
func FuzzRead(f *testing.F) {
	f.Add("7", "9", "", []byte("x"))
	f.Add("", "", "DEL", []byte(nil))
	f.Add("-1", "-1", "PURGE", []byte{0xff})
	f.Add("99999999999999999999", "x", "\r\n", []byte{})
	f.Fuzz(func(t *testing.T, version, sequence, operation string, body []byte) {
		h := nats.Header{}
		for name, value := range map[string]string{topology.HeaderRecordVersion: version, topology.HeaderRawSequence: sequence, headerOperation: operation} {
			if value != "" {
				h.Set(name, value)
			}
		}
		s, err := Read(&jetstream.RawStreamMsg{Subject: "$KV.reference.x", Sequence: 3, Header: h, Data: body})
		if err != nil {
			return
		}
		msg := s.Message("kd.c.1")
		again, err := Read(&jetstream.RawStreamMsg{Sequence: 3, Header: msg.Header, Data: msg.Data})
		if err != nil || again.Version != s.Version || again.RawSequence != s.RawSequence || string(again.Body) != string(s.Body) {
			t.Errorf("%+v becomes %+v, %v", s, again, err)
		}
	})
}
