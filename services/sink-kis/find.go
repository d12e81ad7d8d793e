package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/tolerant"
	kisv1 "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
)

// pageSize is how many rows of a list are asked for (the most is not known; assumed).
const pageSize = 100

// head is what the list says of a bill.
type head struct {
	id, number string
	date       string // begins yyyy-MM-dd
	order      int64  // the id as a number, 0 when it is none
}

// Find looks for the bill with the clue's number among the newest ones: no filter by number is known.
func (r receipts) Find(ctx context.Context, doc booking.Document, clue booking.Clue) ([]booking.Held, error) {
	oldest, err := r.oldest(clue.Date)
	if err != nil {
		return nil, err
	}
	s := search{oldest: oldest, newestFirst: true}
	for page := 1; page <= r.form.searchPages; page++ {
		s.older = true
		list, err := r.client.List(ctx, endpoint+"/list", "List", map[string]any{
			"CurrentPage": page, "ItemsOfPage": pageSize, "OrderBy": map[string]any{"Property": "FInterID", "Type": "Desc"},
		})
		if err != nil {
			return nil, err
		}
		for _, raw := range list.Rows {
			at, err := readHead(raw)
			if err != nil {
				return nil, err
			}
			if at.number == clue.Number {
				return r.found(ctx, doc, at)
			}
			s.add(at)
		}
		if s.past() || !list.HasNext {
			return nil, nil
		}
	}
	return nil, fault.Permanent("search", fmt.Errorf(
		"bill %s is not among the newest %d: whether KIS has it is not known; raise the connection's setting search_pages, or look for it in KIS",
		clue.Number, r.form.searchPages*pageSize))
}

// oldest returns the day before which bills are taken to be older than the one that is looked for.
func (r receipts) oldest(date string) (string, error) {
	day, _, _ := strings.Cut(date, "T")
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "", fault.Permanent("data", fmt.Errorf("the bill's date: %w", err))
	}
	return at.AddDate(0, 0, -r.form.searchSlack).Format(time.DateOnly), nil
}

// search says when a list need not be read on.
type search struct {
	oldest string
	// newestFirst says that the vendor sorted as it was asked to, older that all bills of this page
	// are from before oldest.
	newestFirst, older bool
	last               int64
}

func (s *search) add(at head) {
	s.newestFirst = s.newestFirst && at.order > 0 && (s.last == 0 || at.order < s.last)
	s.older = s.older && at.date < s.oldest
	s.last = at.order
}

// past reports whether the bill would have come by now.
func (s *search) past() bool { return s.newestFirst && s.older }

// found compares a bill with the document.
func (r receipts) found(ctx context.Context, doc booking.Document, at head) ([]booking.Held, error) {
	held := booking.Held{ID: at.id, Number: at.number}
	msg, ok := doc.Message.(*kisv1.OtherInbound)
	if !ok {
		return []booking.Held{held}, nil
	}
	path := endpoint + "/getdetail"
	data, err := r.client.Call(ctx, path, map[string]any{"Id": at.order}, kis.Read)
	if err != nil {
		return nil, err
	}
	have, err := readLines(data)
	if err != nil {
		return nil, unreadable(path, err)
	}
	day, _, _ := strings.Cut(doc.Clue.Date, "T")
	held.Differs = !slices.Equal(have, wantLines(msg)) || !strings.HasPrefix(at.date, day)
	return []booking.Held{held}, nil
}

// readHead reads a row of the list: {"Head":{…},"Entry":[…]} (seen in use).
func readHead(raw []byte) (head, error) {
	path := endpoint + "/list"
	row, err := tolerant.Parse(raw)
	if err != nil {
		return head{}, unreadable(path, err)
	}
	if row, err = tolerant.Parse(row.Raw("Head")); err != nil {
		return head{}, unreadable(path, fmt.Errorf("head: %w", err))
	}
	at := head{id: row.Text("FInterID"), number: row.Text("FBillNo"), date: row.Text("Fdate")}
	if at.order, _, err = row.Int("FInterID"); err != nil {
		return head{}, unreadable(path, err)
	}
	if at.id == "" || len(at.date) < len(time.DateOnly) {
		return head{}, unreadable(path, errors.New("a row without FInterID or Fdate"))
	}
	return at, nil
}

// readLines reads the lines of a detail, sorted: {"Head":{…},"Entry":[…]}, or that below Object (which
// of them is assumed).
func readLines(data []byte) ([]string, error) {
	fields, err := tolerant.Parse(data)
	if err != nil {
		return nil, err
	}
	if object := fields.Raw("Object"); object != nil {
		if fields, err = tolerant.Parse(object); err != nil {
			return nil, err
		}
	}
	raws, err := fields.List("Entry")
	if err != nil || len(raws) == 0 {
		return nil, errors.Join(errors.New("no lines in Entry"), err)
	}
	var lines []string
	for _, raw := range raws {
		row, err := tolerant.Parse(raw)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line(row.Text("FItemID"), row.Text("Fauxqty")))
	}
	slices.Sort(lines)
	return lines, nil
}

// wantLines returns the lines of a message as readLines does.
func wantLines(msg *kisv1.OtherInbound) []string {
	var lines []string
	for _, e := range msg.GetEntry() {
		lines = append(lines, line(e.GetItemId(), e.GetQty()))
	}
	slices.Sort(lines)
	return lines
}

// line is what must be as it was sent: item and quantity.
func line(item, qty string) string {
	if d, err := decimal.NewFromString(qty); err == nil {
		qty = d.String()
	}
	return item + " x " + qty
}

// unreadable is the error of an answer that can't be read; it may be another time.
func unreadable(path string, err error) error {
	return fault.Busy("answer", 0, fmt.Errorf("read the answer of %s: %w", path, err))
}
