package token

import (
	"context"
	"slices"
	"sync"
)

// Memory is a Store for one process. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	entries map[string]entry
	changed chan struct{} // closed with the next Save
}

type entry struct {
	data     []byte
	revision uint64
}

// Load returns an entry. It never fails.
func (m *Memory) Load(_ context.Context, name string) (data []byte, revision uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[name]
	return slices.Clone(e.data), e.revision, nil
}

// Save writes an entry. Its only error is ErrConflict.
func (m *Memory) Save(_ context.Context, name string, data []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[name].revision != revision {
		return 0, ErrConflict
	}
	if m.entries == nil {
		m.entries = map[string]entry{}
	}
	m.entries[name] = entry{slices.Clone(data), revision + 1}
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	return revision + 1, nil
}

// Wait blocks until the entry is newer than that revision, or ctx ends.
func (m *Memory) Wait(ctx context.Context, name string, revision uint64) error {
	for {
		newer, changed := m.newer(name, revision)
		if newer {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *Memory) newer(name string, revision uint64) (bool, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.entries[name].revision > revision, m.changed
}
