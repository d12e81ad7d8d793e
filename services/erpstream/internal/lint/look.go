package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Look returns the fields that the records of a source have: those that the watchdog learned or, where it
// has not met the source yet, those of the newest record of each partition in RAW. It blocks for a round
// trip to the server, for up to 64 in the second case.
func Look(ctx context.Context, js jetstream.JetStream, source string, f feed.Feed) (Seen, error) {
	learned, err := shape.Load(ctx, js, source)
	switch {
	case err == nil:
		return seenOf(learned), nil
	case errors.Is(err, shape.ErrUnknown) || errors.Is(err, jetstream.ErrBucketNotFound):
		return lookAtNewest(ctx, js, source, f)
	default:
		return Seen{}, err
	}
}

// seenOf takes over what the watchdog learned. Fields that are gone are no fields any more.
func seenOf(s *shape.Shape) Seen {
	seen := Seen{Records: int(s.Records)}
	for _, path := range s.Paths() {
		field := s.Fields[path]
		var types []string
		for kind := range field.Kinds {
			types = append(types, string(kind))
		}
		slices.Sort(types)
		isElement := strings.HasSuffix(path, "[]") && slices.Equal(types, []string{samples.Object})
		if !field.Gone && !isElement {
			seen.Fields = append(seen.Fields, samples.Field{Path: path, Types: types})
		}
	}
	return seen
}

// lookAtNewest reads the newest record of each partition of a source.
func lookAtNewest(ctx context.Context, js jetstream.JetStream, source string, f feed.Feed) (Seen, error) {
	stream, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return Seen{}, fmt.Errorf("stream %s: %w (has `erpstream provision` been run?)", topology.Raw, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(topology.RawFilter(f.System, source)))
	if err != nil {
		return Seen{}, fmt.Errorf("look up the records of source %s: %w", source, err)
	}
	var bodies []json.RawMessage
	for _, subject := range slices.Sorted(maps.Keys(info.State.Subjects)) {
		msg, err := stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // it went of age meanwhile
			continue
		case err != nil:
			return Seen{}, fmt.Errorf("read a record of source %s: %w", source, err)
		}
		if readable(msg) {
			bodies = append(bodies, msg.Data)
		}
	}
	fields, err := samples.FieldsOf(f, bodies...)
	return Seen{fields, len(bodies)}, err
}

// readable leaves out tombstones, and rows that are no document.
func readable(msg *jetstream.RawStreamMsg) bool {
	envelope, err := record.Parse(msg.Header)
	return err == nil && !envelope.Removed() && !envelope.Unreadable() && json.Valid(msg.Data)
}
