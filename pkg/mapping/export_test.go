package mapping

import (
	"github.com/erpstream/erpstream/pkg/record"
)

// General is Apply without the one pass.
func (m *Mapping) General(env record.Envelope, body []byte, lookup Lookup) (Result, error) {
	if env.Removed() {
		return Result{}, nil
	}
	return m.general(env, body, lookup)
}

// Passes reports whether one pass makes what becomes of a record.
func (m *Mapping) Passes(env record.Envelope, body []byte, lookup Lookup) bool {
	if m.onePass == nil {
		return false
	}
	p := m.onePass.take()
	defer m.onePass.release(p)
	_, ok := m.onePass.run(p, &env, body, m.answering(lookup))
	return ok
}
