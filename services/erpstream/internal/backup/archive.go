package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
)

// Names of entries that are no messages, and what those of consumers begin with.
const (
	stateEntry     = "state.json"
	consumerPrefix = "consumers/"
)

// entry is one part of an archive: the state of a stream, a consumer or, with a sequence, a message, whose
// body begins with its headers.
type entry struct {
	archive.Header
	Body []byte
}

// isMessage reports whether the entry is a message.
func (e entry) isMessage() bool { return e.Sequence > 0 }

// inBatch reports whether the entry is a message of an atomic batch, and not its last.
func (e entry) inBatch() bool {
	header, err := nats.DecodeHeadersMsg(e.Body[:e.HeaderSize])
	return err == nil && batch.Continues(header)
}

// reader reads an archive: the format in which the server (2.15 or newer) gives and takes a stream.
type reader struct {
	from *archive.Reader
	// State is the stream's when the snapshot began.
	State server.StreamState
}

// errTruncated is that of an archive without its end.
var errTruncated = errors.New("it ends before its end")

func newReader(r io.Reader) (*reader, error) {
	a := &reader{from: archive.NewReader(s2.NewReader(r))}
	first, err := a.next()
	switch {
	case errors.Is(err, archive.ErrInvalidArchive):
		return nil, errors.New("it is no archive of NATS 2.15 or newer")
	case err != nil:
		return nil, err
	case first.Name != stateEntry:
		return nil, fmt.Errorf("it begins with %q, want %s", first.Name, stateEntry)
	}
	if err := json.Unmarshal(first.Body, &a.State); err != nil {
		return nil, fmt.Errorf("%s: %w", stateEntry, err)
	}
	return a, nil
}

// next returns the next entry, io.EOF behind the last.
func (a *reader) next() (entry, error) {
	h, err := a.from.Next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return entry{}, errTruncated
	}
	if err != nil {
		return entry{}, err
	}
	if h.Name == "" && h.Sequence == 0 {
		return entry{}, io.EOF
	}
	body := make([]byte, h.HeaderSize+h.PayloadSize)
	if _, err := io.ReadFull(a.from, body); err != nil {
		return entry{}, errTruncated
	}
	return entry{Header: *h, Body: body}, nil
}

// message returns the next message, io.EOF behind the last; other entries are left out.
func (a *reader) message() (entry, error) {
	for {
		if e, err := a.next(); err != nil || e.isMessage() {
			return e, err
		}
	}
}

// writer writes an archive.
type writer struct {
	packed *s2.Writer
	to     *archive.Writer
}

// newWriter begins an archive with the state of its stream and with the places of its consumers.
func newWriter(w io.Writer, state server.StreamState, consumers []consumer) (*writer, error) {
	packed := s2.NewWriter(w)
	a := &writer{packed: packed, to: archive.NewWriter(packed)}
	state.Consumers = len(consumers)
	if err := a.json(stateEntry, state); err != nil {
		return nil, err
	}
	for _, c := range consumers {
		if err := a.json(consumerPrefix+c.Config.Durable, c); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *writer) json(name string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return a.add(entry{Header: archive.Header{Name: name, PayloadSize: int64(len(body))}, Body: body})
}

func (a *writer) add(e entry) error {
	if err := a.to.WriteHeader(&e.Header); err != nil {
		return err
	}
	_, err := a.to.Write(e.Body)
	return err
}

// end marks the end; without it the archive is truncated.
func (a *writer) end() error {
	return errors.Join(a.to.WriteHeader(&archive.Header{}), a.to.Close(), a.packed.Close())
}

// consumer is a durable consumer as an archive has it.
type consumer struct {
	Config jetstream.ConsumerConfig `json:"config"`
	State  place                    `json:"state"`
}

// place is how far a consumer is.
type place struct {
	Delivered server.SequencePair `json:"delivered"`
	AckFloor  server.SequencePair `json:"ack_floor"`
}

// at is the consumer at its ack floor: what it had in hand is delivered again.
func at(info *jetstream.ConsumerInfo) consumer {
	floor := server.SequencePair{Consumer: info.AckFloor.Consumer, Stream: info.AckFloor.Stream}
	return consumer{Config: info.Config, State: place{Delivered: floor, AckFloor: floor}}
}

// sourceHeader is where the server says what a sourced message is a copy of.
const sourceHeader = "Nats-Stream-Source: "

// withoutOrigin takes from a sourced message what tells the stream that it was copied from from one of the same
// name. The restored stream is another one to the server: it would copy all of it again.
func withoutOrigin(e entry) entry {
	const known = 5 // stream, sequence, filter, transform, subject
	lines := strings.Split(string(e.Body[:e.HeaderSize]), "\r\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, sourceHeader) })
	if i < 0 {
		return e
	}
	if parts := strings.Split(strings.TrimPrefix(lines[i], sourceHeader), " "); len(parts) > known {
		lines[i] = sourceHeader + strings.Join(parts[:known], " ")
	}
	header := strings.Join(lines, "\r\n")
	e.Body = append([]byte(header), e.Body[e.HeaderSize:]...)
	e.HeaderSize = int64(len(header))
	return e
}
