package jushuitan

import "github.com/erpstream/erpstream/services/sandbox/internal/traffic"

// Stats is what the vendor has seen since it was started.
type Stats struct {
	traffic.Stats
	Pages int `json:"pages"`
	// Edits counts edits by cause, those before a restart included.
	Edits          map[string]int `json:"edits"`
	EditsRemaining int            `json:"edits_remaining"`
}
