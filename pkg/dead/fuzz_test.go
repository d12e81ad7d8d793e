package dead

import (
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Whatever is on DEAD is a letter that people can be shown.
func FuzzLetter(f *testing.F) {
	f.Add("dead.sink.f", "sink", "refused", "%E4%B8%AD", "3", "TARGET", "17", "42", "7")
	f.Add("dead.x", "", "", "%", "-1", "", "99999999999999999999", "x", "")
	f.Add("dead.note.f", "\xff", "a b", "%FF", "", "%0A", " 1", "+1", "1")
	f.Fuzz(func(t *testing.T, subject, stage, class, reason, attempts, stream, sequence, raw, settles string) {
		h := nats.Header{}
		for name, value := range map[string]string{
			topology.HeaderDeadStage: stage, topology.HeaderDeadFlow: stage, topology.HeaderDeadClass: class, topology.HeaderDeadReason: reason,
			topology.HeaderDeadAttempts: attempts, topology.HeaderDeadStream: stream, topology.HeaderDeadSequence: sequence,
			topology.HeaderDeadRaw: raw, topology.HeaderSubject: reason, topology.HeaderRecordVersion: raw,
			topology.HeaderDeadSettles: settles, topology.HeaderDeadAction: class, topology.HeaderDeadBy: stage, topology.HeaderDeadWhy: reason,
		} {
			h.Set(name, value)
		}
		s := stored{sequence: 1, subject: subject, header: h, body: []byte("{}")}
		b := s.letter()
		for _, text := range []string{b.Stage, b.Flow, b.Class, b.Reason, b.Key, b.Stream} {
			if !utf8.ValidString(text) && utf8.ValidString(subject) {
				t.Errorf("%q of %+v is not text", text, h)
			}
		}
		n, is := s.note()
		if !is || !utf8.ValidString(n.Action) {
			return
		}
		again, is := stored{sequence: n.Sequence, header: n.message("f").Header}.note()
		if !is || again.Settles != n.Settles || again.By != n.By || again.Why != n.Why {
			t.Errorf("%+v becomes %+v", n, again)
		}
	})
}
