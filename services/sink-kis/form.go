package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/wire"
	kisv1 "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
)

// form is how an account set wants its bills: what its connection says.
type form struct {
	// head and entry hold constant fields, by the names of the API.
	head, entry map[string]any
	// flat leaves out the wrapper Object and Head.
	flat bool
	// searchPages and searchSlack bound the search for a bill by its number.
	searchPages, searchSlack int
}

// The usual bounds of a search.
const (
	usualPages = 50
	usualSlack = 31 // days
)

// readForm reads the settings head.<Name>, entry.<Name>, wrap (object or flat), search_pages and
// search_slack_days of a connection; its error names every fault.
func readForm(settings map[string]string) (form, error) {
	f := form{
		// 其他入库单, blue (seen in use).
		head: map[string]any{"FTranType": json.Number("10"), "FROB": json.Number("1")},
		// No price, no bin (seen in use).
		entry:       map[string]any{"FAuxPrice": json.Number("0"), "Famount": json.Number("0"), "FDCSPID": json.Number("0")},
		searchPages: usualPages, searchSlack: usualSlack,
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := settings[name]
		var err error
		switch place, field, _ := strings.Cut(name, "."); {
		case place == "head":
			f.head[field] = constant(value)
		case place == "entry":
			f.entry[field] = constant(value)
		case name == "wrap":
			f.flat = value == "flat"
			if value != "flat" && value != "object" {
				err = fmt.Errorf("setting wrap is %q: want object or flat", value)
			}
		case name == "search_pages":
			f.searchPages, err = positive(name, value)
		case name == "search_slack_days":
			f.searchSlack, err = positive(name, value)
		}
		errs = append(errs, err)
	}
	return f, errors.Join(errs...)
}

func positive(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("setting %s is %q, not a number from 1", name, value)
	}
	return n, nil
}

// number is what JSON takes for a number, without exponents.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)([.][0-9]+)?$`)

// constant returns a setting as it is sent: what looks like a number as one, and what stands in double
// quotes as the text between them.
func constant(value string) any {
	var text string
	switch {
	case number.MatchString(value):
		return json.Number(value)
	case strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &text) == nil:
		return text
	default:
		return value
	}
}

// body returns what is sent for a bill: the message's fields over the constants of the connection.
func (f form) body(msg *kisv1.OtherInbound) (map[string]any, error) {
	head, err := f.fill(f.head, msg.GetHead())
	if err != nil {
		return nil, err
	}
	entries := make([]any, 0, len(msg.GetEntry()))
	for i, e := range msg.GetEntry() {
		entry, err := f.line(e)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		entry["FEntryID"] = json.Number(strconv.Itoa(i + 1))
		if entry["FDCStockID"] = cmp.Or(entry["FDCStockID"], head["FDCStockID"]); entry["FDCStockID"] == nil {
			delete(entry, "FDCStockID")
		}
		entries = append(entries, entry)
	}
	if f.flat {
		head["Entry"] = entries
		return head, nil
	}
	return map[string]any{"Object": map[string]any{"Head": head, "Entry": entries}}, nil
}

// line returns a line with the quantities that KIS wants besides that of its unit: what was due, and
// both in the base unit.
func (f form) line(e *kisv1.OtherInboundEntry) (map[string]any, error) {
	own := proto.CloneOf(e)
	own.Coefficient = nil // of our own, not sent
	entry, err := f.fill(f.entry, own)
	if err != nil {
		return nil, err
	}
	qty, err := decimal.NewFromString(e.GetQty())
	if err != nil {
		return nil, errors.New("qty is no decimal number")
	}
	coefficient, err := decimal.NewFromString(cmp.Or(e.GetCoefficient(), "1"))
	if err != nil || !coefficient.IsPositive() {
		return nil, errors.New("coefficient is no decimal number above zero")
	}
	base := json.Number(qty.Mul(coefficient).String())
	entry["FAuxQtyMust"], entry["FQty"], entry["FQtyMust"] = entry["Fauxqty"], base, base
	return entry, nil
}

// fill returns a message's fields over constants. Ids are sent as numbers, which KIS takes as well as
// text (seen in use).
func (form) fill(constants map[string]any, msg proto.Message) (map[string]any, error) {
	out := maps.Clone(constants)
	own, err := wire.Object(msg)
	if err != nil {
		return nil, err
	}
	for name, value := range own {
		text, ok := value.(string)
		if ok && strings.HasSuffix(name, "ID") {
			if value, err = wire.Number(text); err != nil {
				return nil, fmt.Errorf("field %s: %w", name, err)
			}
		}
		out[name] = value
	}
	return out, nil
}
