package kingdee

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/poll"
)

// kisReader reads any feed of KIS, as its descriptor says.
type kisReader struct {
	client *kis.Client
	log    *slog.Logger
}

// Rest is that of the client (poll.Rester).
func (r kisReader) Rest() { r.client.Rest() }

// Read asks for one page, and where the feed has details for those of the page's documents.
func (r kisReader) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	list, err := r.client.List(ctx, q.Feed.Path, q.Feed.Rows, request(q))
	if err != nil {
		return poll.Page{}, err
	}
	page := poll.Page{Rows: list.Rows, Total: list.Total, HasNext: list.HasNext}
	if q.Feed.Details.Path != "" {
		page.Rows, err = r.whole(ctx, q.Feed.Details, list.Rows)
	}
	return page, err
}

// request returns the parameters of a page: those of the feed, over them those of the source, and
// the page.
func request(q poll.Query) map[string]any {
	body := maps.Clone(q.Feed.Request)
	if body == nil {
		body = map[string]any{}
	}
	maps.Copy(body, q.Request)
	body[q.Feed.Paging.Index] = q.Page
	body[q.Feed.Paging.Size] = q.Size
	return body
}

// whole returns rows with the fields of their details over their own. A row that the vendor has no
// details of, because it was removed since, stays as it is: what the list counts must be there.
func (r kisReader) whole(ctx context.Context, d feed.Details, rows []json.RawMessage) ([]json.RawMessage, error) {
	objects, err := decode(rows)
	if err != nil {
		return nil, fault.Busy("answer", 0, fmt.Errorf("rows with details at %s: %w", d.Path, err))
	}
	var ids []json.RawMessage
	for _, o := range objects {
		if id := o[d.From]; id != nil {
			ids = append(ids, id)
		}
	}
	documents, err := r.client.Details(ctx, kis.Details{Path: d.Path, IDs: d.IDs, Rows: d.Rows, Max: d.Max}, ids)
	if err != nil {
		return nil, err
	}
	details, err := decode(documents)
	if err != nil {
		return nil, fault.Busy("answer", 0, fmt.Errorf("kis %s: %w", d.Path, err))
	}
	byID := map[string]object{}
	for _, o := range details {
		byID[string(o[d.From])] = o
	}
	out := make([]json.RawMessage, len(rows))
	for i, o := range objects {
		detail, ok := byID[string(o[d.From])]
		if !ok {
			r.log.WarnContext(ctx, "no details of a document", "path", d.Path, "id", string(o[d.From]))
		}
		maps.Copy(o, detail)
		if out[i], err = encode(o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object is a document whose values are kept as the vendor wrote them.
type object map[string]json.RawMessage

func decode(rows []json.RawMessage) ([]object, error) {
	objects := make([]object, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row, &objects[i]); err != nil {
			return nil, fmt.Errorf("row %d is no JSON object", i+1)
		}
		if objects[i] == nil {
			return nil, fmt.Errorf("row %d is null", i+1)
		}
	}
	return objects, nil
}

// encode writes an object with its names in order, so that equal documents are equal bytes.
func encode(o object) (json.RawMessage, error) {
	text, err := httpcall.JSON(o)
	if err != nil {
		return nil, fmt.Errorf("write a document with its details: %w", err)
	}
	return text, nil
}
