package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// Vendor is what the control endpoints show of one imitated system, and what they can do to it.
type Vendor struct {
	// Name is the part of the path after /_sandbox/.
	Name string
	// Paths are those that it serves.
	Paths []string
	Stats func() any
	// EditsRemaining is how many edits are still to come by themselves; nil for none.
	EditsRemaining func() int
	Lists          []List
	Orders         []Order
	// Faults is its plan of faults; nil if it shares that of another one.
	Faults *faults.Plan
}

// List is something that a vendor holds.
type List struct {
	Name, About string
	// Filters are the parameters that the query of a call may have.
	Filters []string
	// Rows yields what a query asks for, ready to be written as JSON.
	Rows func(url.Values) (iter.Seq[any], error)
	// Checksum stands for the same rows; nil if nothing does.
	Checksum func(url.Values) (any, error)
}

func (l List) has(filter string) bool { return slices.Contains(l.Filters, filter) }

// All is the Rows of a list without filters.
func All[T any](rows func() []T) func(url.Values) (iter.Seq[any], error) {
	return func(url.Values) (iter.Seq[any], error) {
		return func(yield func(any) bool) {
			for _, row := range rows() {
				if !yield(row) {
					return
				}
			}
		}, nil
	}
}

// Order is something that a vendor can be told to do.
type Order struct {
	Name, About string
	// Do reads the order into a value of its own and returns what is to be answered. What is wrong
	// with an order is a Refuse.
	Do func(read func(into any) error) (any, error)
}

// writeRows writes {"datas":[…]}, one row a line, each as soon as it is there.
func writeRows(to io.Writer, rows iter.Seq[any]) error {
	w := bufio.NewWriterSize(to, 1<<16)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_, _ = w.WriteString(`{"datas":[`) // the last error of w is that of Flush
	separator := "\n"
	for row := range rows {
		_, _ = w.WriteString(separator)
		separator = ","
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	_, _ = w.WriteString("]}\n")
	return w.Flush()
}
