package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Checksum stands for a state of documents, to be compared with what arrived elsewhere.
//
// Sum is the SHA-256, in hex, of one text line per document, by ascending key:
//
//	<key> TAB <version> TAB <line id>:<qty>,<line id>:<qty>,… LF
//
// with the document's lines by ascending id and quantities with exactly four decimals.
type Checksum struct {
	Documents int    `json:"documents"`
	Lines     int    `json:"lines"`
	Sum       string `json:"sum"`
}

// Sum returns the Checksum of documents, which may come in any order.
func Sum[D Document](documents []D) Checksum {
	type line struct {
		id  int64
		qty Quantity
	}
	c, hash := Checksum{Documents: len(documents)}, sha256.New()
	for _, d := range slices.SortedFunc(slices.Values(documents), func(a, b D) int { return cmp.Compare(a.Key(), b.Key()) }) {
		fmt.Fprintf(hash, "%d\t%d\t", d.Key(), d.Version())
		var lines []line
		for id, qty := range d.Lines() {
			lines = append(lines, line{id, qty})
		}
		slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.id, b.id) })
		for i, l := range lines {
			if i > 0 {
				hash.Write([]byte(","))
			}
			fmt.Fprintf(hash, "%d:%s", l.id, l.qty.Fixed())
		}
		hash.Write([]byte("\n"))
		c.Lines += len(lines)
	}
	c.Sum = hex.EncodeToString(hash.Sum(nil))
	return c
}
