package ledger

// outcome is what became of one record. What a target said stands over a dead letter: a letter
// that was replayed is dead no more.
type outcome uint8

const (
	open outcome = iota
	deadTransform
	deadSink
	filtered
	superseded
	delivered
	kinds
)

// pageSize is how many sequences one page holds.
const pageSize = 4096

// outcomes holds one byte for each record of a flow, by its sequence in RAW, so that a record is
// counted once however often its outcome is said.
type outcomes struct {
	pages  map[uint64]*[pageSize]outcome
	counts [kinds]int64
}

// set notes what became of a record. Counts never run twice: the record leaves its old outcome.
func (o *outcomes) set(sequence uint64, became outcome) {
	page := o.pages[sequence/pageSize]
	if page == nil {
		page = new([pageSize]outcome)
		o.pages[sequence/pageSize] = page
	}
	was := page[sequence%pageSize]
	if was > deadSink && became <= deadSink {
		return
	}
	o.counts[was]--
	o.counts[became]++
	page[sequence%pageSize] = became
}
