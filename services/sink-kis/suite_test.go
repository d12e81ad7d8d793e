package main

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/sink/sinktest"
)

// TestSuite tries the promises of every sink but those that need changes: KIS has no call for one.
func TestSuite(t *testing.T) {
	r := newRig(t, nil)
	sinktest.Run(t, sinktest.Suite{
		Sink: r.sink,
		Once: true,
		Message: func(key string, version int64, content string) sink.Message {
			bill := inbound(key, entry("23722", "1"))
			bill.Head.Note = proto.String(content)
			m := receipt(key, version, "1")
			body, err := proto.Marshal(bill)
			if err != nil {
				t.Fatal(err)
			}
			m.Body = body
			return m
		},
		Stored: func() map[string]string {
			stored := map[string]string{}
			r.set(func(v *vendor) {
				for _, b := range v.bills {
					stored[b.number] = fmt.Sprint(b.head["Fnote"])
				}
			})
			return stored
		},
		Poison: func(key string, version int64) sink.Message {
			m := receipt(key, version, "1")
			m.Body = []byte{0xff}
			return m
		},
	})
}
