package ledger

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// Whatever window stands on RAW, the records that it claims lie before it.
func FuzzWindow(f *testing.F) {
	for _, published := range []int64{0, 3, -1, 1 << 62, 17} {
		body, err := proto.Marshal(&ledgerv1.Window{From: timestamppb.New(time.Unix(1, 0)), Published: proto.Int64(published), Closed: proto.Bool(true)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint64(17))
	}
	f.Fuzz(func(t *testing.T, body []byte, sequence uint64) {
		m := new(ledgerv1.Window)
		if proto.Unmarshal(body, m) != nil {
			return
		}
		w := &window{}
		w.follows(m)
		w.add(m, sequence, time.Unix(2, 0))
		for _, b := range w.batches {
			if b.first == 0 || b.first > b.last || b.last >= sequence {
				t.Errorf("window at %d with %d published claims %d to %d", sequence, m.GetPublished(), b.first, b.last)
			}
		}
	})
}
