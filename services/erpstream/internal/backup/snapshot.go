package backup

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// apiWait bounds an answer of JetStream, silence how long it may send nothing of a snapshot. What only reads is
// asked again: a cluster loses requests while it chooses a leader.
const (
	apiWait  = 20 * time.Second
	apiTries = 5
	silence  = time.Minute
)

// snapshot is a stream as the server sends it.
type snapshot struct {
	*reader
	// Config is the stream's, with all that the server knows of it.
	Config json.RawMessage

	pipe *io.PipeReader
}

// close ends a snapshot early, or after its end.
func (s *snapshot) close() { _ = s.pipe.CloseWithError(errors.New("the snapshot was closed")) }

// takeSnapshot makes the server send a stream, without its consumers; close it.
func takeSnapshot(ctx context.Context, js jetstream.JetStream, stream string) (*snapshot, error) {
	nc := js.Conn()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Config json.RawMessage `json:"config"`
	}
	request := map[string]any{"deliver_subject": inbox, "no_consumers": true}
	if err := call(ctx, js, "STREAM.SNAPSHOT."+stream, request, &answer); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer func() { _ = sub.Unsubscribe() }()
		_ = w.CloseWithError(chunks(ctx, sub, w))
	}()
	s := &snapshot{Config: answer.Config, pipe: r}
	if s.reader, err = newReader(r); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// chunks writes what the server sends until its end, and tells it of each chunk that there is room for more.
func chunks(ctx context.Context, sub *nats.Subscription, to io.Writer) error {
	for {
		waiting, cancel := context.WithTimeoutCause(ctx, silence, fmt.Errorf("the server sent nothing for %s", silence))
		msg, err := sub.NextMsgWithContext(waiting)
		if err != nil {
			err = errors.Join(err, context.Cause(waiting))
		}
		cancel()
		if err != nil {
			return err
		}
		if len(msg.Data) == 0 {
			if code := msg.Header.Get("Status"); code != "" && code != "204" {
				return fmt.Errorf("the server gave the snapshot up: %s %s", code, msg.Header.Get("Description"))
			}
			return nil
		}
		if _, err := to.Write(msg.Data); err != nil {
			return err
		}
		if msg.Reply != "" {
			if err := msg.Respond(nil); err != nil {
				return err
			}
		}
	}
}

// after returns the first message behind a sequence, as the stream's leader has it now; ok is false where
// there is none.
func after(ctx context.Context, js jetstream.JetStream, stream string, sequence uint64) (e entry, ok bool, err error) {
	var answer struct {
		Message struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   string    `json:"hdrs"`
			Data     string    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	for try := 1; try == 1 || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && try <= apiTries; try++ {
		err = call(ctx, js, "STREAM.MSG.GET."+stream, map[string]any{"seq": sequence + 1, "next_by_subj": ">"}, &answer)
	}
	if api, refused := errors.AsType[*jetstream.APIError](err); refused && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return entry{}, false, nil
	}
	m := answer.Message
	var header, data []byte
	if err == nil {
		header, err = base64.StdEncoding.DecodeString(m.Header)
	}
	if err == nil {
		data, err = base64.StdEncoding.DecodeString(m.Data)
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read the message after sequence %d: %w", sequence, err)
	}
	return entry{
		Header: archive.Header{
			Name: m.Subject, Sequence: m.Sequence, Timestamp: m.Time.UnixNano(),
			HeaderSize: int64(len(header)), PayloadSize: int64(len(data)),
		},
		Body: append(header, data...),
	}, true, nil
}

// call asks JetStream for something. A refusal is a *jetstream.APIError.
func call(ctx context.Context, js jetstream.JetStream, subject string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	reply, err := js.Conn().RequestWithContext(ctx, jetstream.DefaultAPIPrefix+subject, body)
	if err != nil {
		return fmt.Errorf("ask the server for %s: %w", subject, err)
	}
	return read(reply.Data, answer)
}

// read reads an answer of JetStream.
func read(reply []byte, into any) error {
	var refusal struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply, &refusal); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if refusal.Error != nil {
		return refusal.Error
	}
	return json.Unmarshal(reply, into)
}
