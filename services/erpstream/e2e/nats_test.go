package e2e

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/test/natstest"
)

func TestANATSServerOfTheUser(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1, SyncAlways: true})
	h := newHouse(t)
	r := h.untilIdle(nil, "--records", "60", "--nats", s.ClientURL())
	h.balanced(r)
	if r.flow.Delivered != 60 {
		t.Errorf("account %+v, want 60 delivered", r.flow)
	}
	h.compare()
}

func TestANATSServerThatIsNotThere(t *testing.T) {
	r := newHouse(t).untilIdle(nil, "--nats", "nats://127.0.0.1:1")
	if r.code != 1 || len(lines(r.stderr, "erpstream: connect to NATS at nats://127.0.0.1:1")) != 1 {
		t.Errorf("exit code %d, standard error %q", r.code, last(r.stderr, 500))
	}
}
