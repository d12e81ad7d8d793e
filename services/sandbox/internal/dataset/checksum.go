package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Checksum stands for a state of the receipts, to be compared with what arrived elsewhere.
//
// Sum is the SHA-256, in hex, of one text line per receipt, by ascending io_id:
//
//	<io_id> TAB <ts> TAB <ioi_id>:<qty>,<ioi_id>:<qty>,… LF
//
// with the document's lines by ascending ioi_id and quantities with exactly four decimals.
type Checksum struct {
	Documents int    `json:"documents"`
	Lines     int    `json:"lines"`
	Sum       string `json:"sum"`
}

// Sum returns the Checksum of receipts, which may come in any order.
func Sum(receipts []*Receipt) Checksum {
	c, hash := Checksum{Documents: len(receipts)}, sha256.New()
	for _, r := range slices.SortedFunc(slices.Values(receipts), func(a, b *Receipt) int { return cmp.Compare(a.IOID, b.IOID) }) {
		fmt.Fprintf(hash, "%d\t%d\t", r.IOID, r.TS)
		for i, l := range slices.SortedFunc(slices.Values(r.Items), func(a, b Line) int { return cmp.Compare(a.IOIID, b.IOIID) }) {
			if i > 0 {
				hash.Write([]byte(","))
			}
			fmt.Fprintf(hash, "%d:%s", l.IOIID, l.Qty.Fixed())
			c.Lines++
		}
		hash.Write([]byte("\n"))
	}
	c.Sum = hex.EncodeToString(hash.Sum(nil))
	return c
}
