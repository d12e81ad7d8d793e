package main

import (
	"fmt"
	"testing"

	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/sink/sinktest"
)

func TestSuite(t *testing.T) {
	r := newRig(t)
	sinktest.Run(t, sinktest.Suite{
		Sink: r.sink,
		Message: func(key string, version int64, content string) sink.Message {
			return customer(key, version, "on_removed=delete", content)
		},
		Stored: func() map[string]string {
			stored := map[string]string{}
			for _, d := range r.held(pathCustomer) {
				stored[d.number] = fmt.Sprint(d.fields["name"])
			}
			return stored
		},
		Poison: func(key string, version int64) sink.Message {
			m := customer(key, version, "", "poison")
			m.Body = []byte{0xff}
			return m
		},
	})
}
