package mapping

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
	"github.com/erpstream/erpstream/pkg/record"
)

const (
	// maxPassed is how many elements of lists a pass walks.
	maxPassed = 10_000
	// maxComputed is how large a record may be, in bytes, where CEL computes something: what fails is computed
	// twice, and of a large record that may be much.
	maxComputed = 64 << 10
	// maxKept is how much room a pass keeps for the next one, in bytes.
	maxKept = 1 << 20
)

// onePass makes the message of a record in one pass over its bytes: it notes where the values are that the
// mapping reads, and writes the wire form from there. It says "here is the message", or "left out", and
// nothing else: with whatever is unusual, and be it the least, it gives up, and the plan does the whole record
// again, finds the faults and words them. So both make the same of each record that onePass makes anything of.
type onePass struct {
	shape *scan.Shape
	// where is nil when all records are taken.
	where source
	rules []ruling
	root  *parts
	// depth is how deep each stands in each, memos how many values are the same for all elements.
	depth, memos int
	// computes is set when CEL computes something.
	computes bool
	// message and validator are set when the contract has rules that parts do not check.
	message   protoreflect.MessageType
	validator *validator
	idle      *sync.Pool
}

// pass is one use of a onePass, for one record after the other.
type pass struct {
	doc scan.Document
	// levels are the elements that are walked now, by depth; the first is the record.
	levels []level
	memos  []kept
	// kept is the wire form of memos, made holds texts that are not in the record, spare is room to put fields
	// in order.
	kept, made, spare []byte
	out               []byte
	marks             []int

	envelope record.Envelope
	noting   noting
	budget   budget
	scope    scope
	// entries counts those of the map that is written.
	entries int
	// depth is how many each are around the expression that CEL evaluates, whole which of its roots it wants
	// as a whole.
	depth int
	whole rootSet
	// decoded are values that CEL got as a whole, by place.
	decoded map[int]any
	// looked is how many bytes of text the expression looked at that is evaluated now.
	looked int
}

// level is the element of a list that is walked: a frame of the document, or a value that an expression made.
type level struct {
	// node is what is walked, at base; nil where item is what an expression made.
	node *scan.Node
	base int
	item any
	// index is the number of the element, from 1.
	index int

	// next is where the frame of the next element is, items are the values that an expression made.
	next  uint32
	items []any
}

// kept is the wire form of a field that is the same for all elements of a list.
type kept struct {
	begin, end int
	set, done  bool
}

// without returns the pass without the quality rules of that name.
func (o *onePass) without(label string) *onePass {
	if o == nil {
		return nil
	}
	fewer := *o
	fewer.rules = slices.DeleteFunc(slices.Clone(o.rules), func(r ruling) bool { return r.label == label })
	return &fewer
}

// take returns a pass that is free.
func (o *onePass) take() *pass {
	if p, ok := o.idle.Get().(*pass); ok {
		return p
	}
	return &pass{levels: make([]level, o.depth+1), memos: make([]kept, o.memos), decoded: map[int]any{}}
}

// release gives a pass back, without what it knew of its record.
func (o *onePass) release(p *pass) {
	if cap(p.out)+cap(p.made)+cap(p.kept)+cap(p.spare)+cap(p.doc.Values)*20 > maxKept {
		return
	}
	clear(p.levels)
	clear(p.decoded)
	p.doc.Body, p.envelope, p.noting, p.scope = nil, record.Envelope{}, noting{}, scope{}
	o.idle.Put(p)
}

// begin prepares a pass for a record.
func (o *onePass) begin(p *pass, env *record.Envelope, lookup Lookup) {
	p.envelope, p.budget = *env, budget{}
	p.made, p.kept, p.out, p.marks = p.made[:0], p.kept[:0], p.out[:0], p.marks[:0]
	clear(p.memos)
	p.levels[0] = level{node: o.shape.Root()}
	p.scope = scope{envelope: &p.envelope, budget: &p.budget, pass: p}
	if lookup != nil {
		p.noting = noting{Lookup: lookup}
		p.scope.lookup = &p.noting
	}
}

// run leaves the message in out. It returns false when it gives up.
func (o *onePass) run(p *pass, env *record.Envelope, body []byte, lookup Lookup) (result Result, ok bool) {
	o.begin(p, env, lookup)
	if o.computes && len(body) > maxComputed || !p.doc.Read(o.shape, body, maxPassed) {
		return Result{}, false
	}
	if o.where != nil {
		holds, ok := o.where.truth(p)
		if !ok || !holds {
			return Result{Filtered: true}, ok && p.affordable()
		}
	}
	if ok = o.judge(p, &result); !ok {
		return Result{}, false
	}
	if result.Dropped != "" {
		return result, p.affordable()
	}
	if p.out, _, ok = o.root.emit(p, p.out); !ok || !p.affordable() || !o.valid(p.out) {
		return Result{}, false
	}
	result.References = p.noting.noted
	return result, true
}

// affordable reports whether what was done is beyond doubt within what may be done for one record. What is not
// counted exactly is counted as more than it is.
func (p *pass) affordable() bool {
	return p.budget.spent <= costLimit && p.budget.elements <= maxPassed
}

// valid checks a message by the rules that parts do not check.
func (o *onePass) valid(body []byte) bool {
	if o.validator == nil {
		return true
	}
	msg := o.message.New().Interface()
	return proto.Unmarshal(body, msg) == nil && o.validator.Validate(msg) == nil
}
