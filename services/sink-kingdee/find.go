package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/tolerant"
	"github.com/erpstream/erpstream/pkg/wire"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// bill is a bill as Kingdee holds it.
type bill struct {
	id, number, date, status string
	lines                    []line
}

func (b bill) audited() bool { return b.status == audited }

// line is a line of a bill: what must be as it was sent.
type line struct{ id, material, stock, unit, qty string }

// Find looks for a bill by its number, or for its remark among those of its day or of when it was made, and compares what it
// finds with the document.
func (b bills) Find(ctx context.Context, doc booking.Document, clue booking.Clue) ([]booking.Held, error) {
	var found []bill
	var err error
	if clue.Number != "" {
		found, err = b.numbered(ctx, clue.Number)
	} else {
		found, err = b.marked(ctx, clue)
	}
	if err != nil {
		return nil, err
	}
	var held []booking.Held
	for _, at := range found {
		h := booking.Held{ID: at.id, Number: at.number}
		if doc.Message != nil {
			same, err := b.same(at, doc)
			if err != nil {
				return nil, err
			}
			body, err := wire.Object(doc.Message)
			if err != nil {
				return nil, fault.Permanent("data", err)
			}
			h.Differs, h.Draft = !same, wanted(body) && !at.audited()
		}
		held = append(held, h)
	}
	return held, nil
}

// numbered returns the bill with that number, if there is one.
func (b bills) numbered(ctx context.Context, number string) ([]bill, error) {
	at, err := b.read(ctx, "number", number)
	switch {
	case errors.Is(err, xingchen.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []bill{at}, nil
}

// marked returns the bills with that remark, whole.
func (b bills) marked(ctx context.Context, clue booking.Clue) ([]bill, error) {
	span, err := listedSpan(clue)
	if err != nil {
		return nil, err
	}
	rows, err := b.listed(ctx, span)
	if err != nil {
		return nil, err
	}
	var found []bill
	for _, row := range rows {
		// Blanks around a remark may be lost at the vendor.
		if strings.TrimSpace(row.Text(b.doc.GetMarker())) != strings.TrimSpace(clue.Marker) {
			continue
		}
		at, err := b.read(ctx, "id", row.Text("id"))
		switch {
		case errors.Is(err, xingchen.ErrNotFound): // deleted since
		case err != nil:
			return nil, err
		default:
			found = append(found, at)
		}
	}
	return found, nil
}

const (
	pageSize = 100 // the most (seen in use)
	readings = 3   // of a list that moves while it is read
)

// listedSpan is which bills are listed to find one by its marker: those about its date or, where the clue knows when
// it was made, all that were made then.
func listedSpan(clue booking.Clue) (url.Values, error) {
	if !clue.MadeFrom.IsZero() {
		return url.Values{
			"create_start_time": {strconv.FormatInt(clue.MadeFrom.UnixMilli(), 10)},
			"create_end_time":   {strconv.FormatInt(clue.MadeTo.UnixMilli(), 10)},
		}, nil
	}
	day, err := time.Parse(time.DateOnly, clue.Date)
	if err != nil {
		return nil, fault.Permanent("data", fmt.Errorf("the bill's date: %w", err))
	}
	// A day more on either side: whether the vendor counts the last one in is not known.
	return url.Values{
		"start_bill_date": {day.AddDate(0, 0, -1).Format(time.DateOnly)},
		"end_bill_date":   {day.AddDate(0, 0, 1).Format(time.DateOnly)},
	}, nil
}

// listed returns the rows of all bills of a span. It reads the list again while the rows are
// fewer than the vendor counts: bills that are made or deleted meanwhile move others over the edge of
// a page.
func (b bills) listed(ctx context.Context, span url.Values) ([]tolerant.Object, error) {
	span.Set("page_size", strconv.Itoa(pageSize))
	for range readings {
		rows, total, err := b.pages(ctx, span)
		if err != nil || len(rows) >= total {
			return rows, err
		}
	}
	return nil, fault.Busy("list", 0, fmt.Errorf("%s changes while it is read: fewer bills than it counts", b.doc.GetEndpoint()))
}

// pages reads a list once: its rows, each once, and how many there are as the last page says.
func (b bills) pages(ctx context.Context, params url.Values) (rows []tolerant.Object, total int, err error) {
	path := b.doc.GetEndpoint()
	seen := map[string]bool{}
	for page, more := 1, true; more; page++ {
		params.Set("page", strconv.Itoa(page))
		data, err := b.client.Get(ctx, path, params)
		if err != nil {
			return nil, 0, err
		}
		list, err := xingchen.DecodeList(data)
		if err != nil {
			return nil, 0, fault.Busy("answer", 0, fmt.Errorf("read the list of %s: %w", path, err))
		}
		for _, raw := range list.Rows {
			row, err := answer(path, raw)
			if err != nil {
				return nil, 0, err
			}
			if id := row.Text("id"); !seen[id] {
				seen[id] = true
				rows = append(rows, row)
			}
		}
		total, more = list.Total, list.HasNext() && len(list.Rows) > 0
	}
	return rows, total, nil
}

// read returns a bill by its id or number.
func (b bills) read(ctx context.Context, by, value string) (bill, error) {
	fields, err := detail(ctx, b.client, b.doc.GetEndpoint(), by, value)
	if err != nil {
		return bill{}, err
	}
	at := bill{id: fields.Text("id"), number: fields.Text("bill_no"), date: fields.Text("bill_date"), status: fields.Text("bill_status")}
	raws, err := fields.List(b.lines)
	for i := 0; err == nil && i < len(raws); i++ {
		var row tolerant.Object
		if row, err = tolerant.Parse(raws[i]); err == nil {
			at.lines = append(at.lines, line{row.Text("id"), row.Text("material_id"), row.Text("stock_id"), row.Text("unit_id"), row.Text("qty")})
		}
	}
	if err != nil {
		return bill{}, fault.Busy("answer", 0, fmt.Errorf("read the lines of bill %s: %w", at.number, err))
	}
	return at, nil
}

// same reports whether a bill has the date and the lines of a document: material, store, unit and
// quantity, in any order. Other fields come back in other shapes and are not compared.
func (b bills) same(at bill, doc booking.Document) (bool, error) {
	body, err := wire.Object(doc.Message)
	if err != nil {
		return false, fault.Permanent("data", err)
	}
	var want, have []line
	lines, _ := body[b.lines].([]any)
	for _, l := range lines {
		fields, _ := l.(map[string]any)
		text := func(name string) string { return fmt.Sprint(cmp.Or(fields[name], any(""))) }
		want = append(want, line{"", text("material_id"), text("stock_id"), text("unit_id"), text("qty")}.plain())
	}
	for _, l := range at.lines {
		have = append(have, l.plain())
	}
	slices.SortFunc(want, line.compare)
	slices.SortFunc(have, line.compare)
	return slices.Equal(want, have) && strings.HasPrefix(at.date, doc.Clue.Date), nil
}

// plain returns a line without its id, its quantity written in one way.
func (l line) plain() line {
	l.id = ""
	if qty, err := decimal.NewFromString(l.qty); err == nil {
		l.qty = qty.String()
	}
	return l
}

func (l line) compare(other line) int {
	return cmp.Or(cmp.Compare(l.material, other.material), cmp.Compare(l.stock, other.stock), cmp.Compare(l.unit, other.unit), cmp.Compare(l.qty, other.qty))
}
