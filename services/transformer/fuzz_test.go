package main

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Whatever the headers of a parked record say, they are read, or the record belongs to no revision; and
// parked again it waits for the same.
func FuzzParkedHeader(f *testing.F) {
	f.Add("kis.material", "F_103", "SKU-1", "7", "2026-01-01T00:00:00Z", "42")
	f.Add("", "%", "%E4%B8", "-1", "yesterday", "x")
	f.Fuzz(func(t *testing.T, collection, field, value, revision, since, raw string) {
		h := nats.Header{}
		for name, text := range map[string]string{
			topology.HeaderParkedCollection: collection, topology.HeaderParkedField: field, topology.HeaderParkedValue: value,
			topology.HeaderParkedRevision: revision, topology.HeaderParkedSince: since, topology.HeaderParkedRaw: raw,
		} {
			h.Set(name, text)
		}
		p, err := readParked(h)
		if err != nil && (p.revision != 0 || p.raw != 0) {
			t.Errorf("%+v with %v", p, err)
		}
		if err != nil {
			return
		}
		m := mapper{name: "f", revision: p.revision}
		msg := m.shelve(outcome{record: recalled{stored: &jetstream.RawStreamMsg{}}, sequence: p.raw}, &p.missing, stay{since: p.since})
		again, err := readParked(msg.Header)
		if err != nil || again.missing != p.missing || again.revision != p.revision || again.raw != p.raw || !again.since.Equal(p.since) && p.since.Year() > 1 {
			t.Errorf("%+v becomes %+v, %v", p, again, err)
		}
	})
}
