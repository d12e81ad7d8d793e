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

	"github.com/erpstream/erpstream/pkg/topology"
)

// floorMode is the mode in which this program pages the API and does nothing else.
const floorMode = "polling-floor"

// runFloor pages a window of the API forward and publishes each document as a message of its own, as fast as
// it goes: no proof, no ids, no cursor.
func runFloor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(floorMode, flag.ContinueOnError)
	server := flags.String("nats", "", "URL of NATS")
	endpoint := flags.String("vendor", "", "URL of the vendor")
	from := flags.Int64("from", 0, "begin of the window, in seconds")
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
	begin := time.Unix(*from, 0).In(shanghai).Format(time.DateTime)
	end := time.Now().In(shanghai).Format(time.DateTime)
	for page, more := 1, true; more; page++ {
		biz := fmt.Sprintf(`{"modified_begin":%q,"modified_end":%q,"page_index":%d,"page_size":50}`, begin, end, page)
		if more, err = floorPage(ctx, js, *endpoint, biz); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func floorPage(ctx context.Context, js jetstream.JetStream, endpoint, biz string) (more bool, err error) {
	form := url.Values{"biz": {biz}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/open/purchasein/query", strings.NewReader(form))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	var answer struct {
		Data struct {
			HasNext bool              `json:"has_next"`
			Rows    []json.RawMessage `json:"datas"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return false, err
	}
	for i, row := range answer.Data.Rows {
		subject := topology.RawFilter("jushuitan", floorSource)
		if _, err := js.PublishAsync(subject[:len(subject)-1]+fmt.Sprintf("%02d", i%topology.Partitions), row); err != nil {
			return false, err
		}
	}
	return answer.Data.HasNext, nil
}

// floorSource is the source that the floor's records seem to be of.
const floorSource = "floor"
