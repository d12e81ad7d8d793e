package topology

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// IsFenced reports whether the server refused a message, or a batch, because its subject has a newer
// last message than the one it was expected to follow: somebody else was faster. A stream with
// replicas says so by another code than one without.
func IsFenced(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
