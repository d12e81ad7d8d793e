package polling

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/topology"
)

// floorMode is the mode in which this program pages the API and does nothing else.
const floorMode = "polling-floor"

// runFloor pages a window of the API forward and publishes each document as a message of its own, as fast as
// it goes, or in atomic batches: no proof, no ids, no cursor.
func runFloor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(floorMode, flag.ContinueOnError)
	server := flags.String("nats", "", "URL of NATS")
	endpoint := flags.String("vendor", "", "URL of the vendor")
	from := flags.Int64("from", 0, "begin of the window, in seconds")
	batches := flags.Bool("batches", false, "publish in atomic batches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	nc, err := nats.Connect(*server)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(5000))
	if err != nil {
		return err
	}
	out := &floorOut{js: js, batches: *batches}
	begin := time.Unix(*from, 0).In(shanghai).Format(time.DateTime)
	end := time.Now().In(shanghai).Format(time.DateTime)
	for page, more := 1, true; more; page++ {
		biz := fmt.Sprintf(`{"modified_begin":%q,"modified_end":%q,"page_index":%d,"page_size":50}`, begin, end, page)
		var rows []json.RawMessage
		if rows, more, err = floorPage(ctx, *endpoint, biz); err != nil {
			return err
		}
		if err := out.publish(ctx, rows); err != nil {
			return err
		}
	}
	return out.close(ctx)
}

// floorOut publishes documents, one by one or in atomic batches.
type floorOut struct {
	js      jetstream.JetStream
	batches bool
	waiting []*nats.Msg
}

func (o *floorOut) publish(ctx context.Context, rows []json.RawMessage) error {
	filter := topology.RawFilter("jushuitan", floorSource)
	for i, row := range rows {
		msg := nats.NewMsg(filter[:len(filter)-1] + fmt.Sprintf("%02d", i%topology.Partitions))
		msg.Data = row
		if o.batches {
			o.waiting = append(o.waiting, msg)
		} else if _, err := o.js.PublishMsgAsync(msg); err != nil {
			return err
		}
	}
	if len(o.waiting)+len(rows) <= topology.BatchLimit {
		return nil
	}
	return o.flush(ctx)
}

func (o *floorOut) flush(ctx context.Context) error {
	if len(o.waiting) == 0 {
		return nil
	}
	_, err := jetstreamext.PublishMsgBatch(ctx, o.js, o.waiting)
	o.waiting = nil
	return err
}

// close waits until the server has all.
func (o *floorOut) close(ctx context.Context) error {
	if err := o.flush(ctx); err != nil {
		return err
	}
	select {
	case <-o.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func floorPage(ctx context.Context, endpoint, biz string) (rows []json.RawMessage, more bool, err error) {
	form := url.Values{"biz": {biz}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/open/purchasein/query", strings.NewReader(form))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, false, err
	}
	var answer struct {
		Data struct {
			HasNext bool              `json:"has_next"`
			Rows    []json.RawMessage `json:"datas"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, err
	}
	return answer.Data.Rows, answer.Data.HasNext, nil
}

// floorSource is the source that the floor's records seem to be of.
const floorSource = "floor"
