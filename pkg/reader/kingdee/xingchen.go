package kingdee

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// xingchenReader reads any feed of 云星辰 V2, as its descriptor says.
type xingchenReader struct {
	client *xingchen.Client
}

// Rest is that of the client (poll.Rester).
func (r xingchenReader) Rest() { r.client.Rest() }

// Read asks for one page.
func (r xingchenReader) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	params, err := parameters(q)
	if err != nil {
		return poll.Page{}, fault.Permanent("request", fmt.Errorf("feed %s: %w", q.Feed.Name, err))
	}
	data, err := r.client.Get(ctx, q.Feed.Path, params)
	if err != nil {
		return poll.Page{}, err
	}
	list, err := xingchen.DecodeList(data)
	if err != nil {
		return poll.Page{}, fault.Busy("answer", 0, fmt.Errorf("xingchen %s: %w", q.Feed.Path, err))
	}
	return poll.Page{Rows: list.Rows, Total: list.Total, Size: list.Size, HasNext: list.HasNext()}, nil
}

// parameters returns the query of a page: those of the feed, over them those of the source, and the
// page.
func parameters(q poll.Query) (url.Values, error) {
	params := url.Values{}
	for name, value := range request(q) {
		texts, err := asText(value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		params[name] = texts
	}
	return params, nil
}

// asText writes a value of a YAML document as the values of a query parameter.
func asText(value any) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return []string{""}, nil
	case string:
		return []string{v}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case int, int64, uint64, json.Number:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var texts []string
		for _, element := range v {
			text, err := asText(element)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text...)
		}
		return texts, nil
	default:
		return nil, fmt.Errorf("a %T is no value of a query", value)
	}
}
