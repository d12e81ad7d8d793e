// Package scan reads a JSON document in one strict pass and notes where the values are that somebody asked for
// before. It makes no values: it says where in the bytes they stand, and of what kind they are.
//
// It takes less than encoding/json and never more. What it does not take may be in order all the same: a key
// that is asked for and stands there twice, or with escapes; a value of another kind than was asked for. Who
// uses it has another way for those.
package scan

import (
	"encoding/binary"
	"math/bits"
)

// Shape is what of a document is asked for: a tree of nodes. It is built once; Seal ends that. A sealed shape
// may be used by several goroutines at once.
type Shape struct {
	root *Node
	// frame is that of the document itself.
	frame *frame
	// objects counts the nodes that keys are asked for of.
	objects int
}

// frame is the room for the values of one document, or of one element of a list.
type frame struct{ size int }

// Node is a value that is asked for.
type Node struct {
	// Whole is set by who builds the shape, for itself.
	Whole bool

	key      string
	slot     int
	frame    *frame
	keys     []*Node
	indexes  []indexed
	element  *Node
	children table
	// object is the number of a node that keys are asked for of.
	object int
}

// indexed is an element of a list that is asked for by its place.
type indexed struct {
	index int
	node  *Node
}

// Slots of a frame that are not those of nodes.
const (
	// rootSlot is where the document itself is.
	rootSlot = 0
	// linkSlot is the first of an element's frame: Value.First of it is the frame of the next element.
	linkSlot = 0
	// elementSlot is where the element itself is.
	elementSlot = 1
)

// New returns a shape that asks for nothing but the document itself.
func New() *Shape {
	f := &frame{size: rootSlot + 1}
	return &Shape{frame: f, root: &Node{slot: rootSlot, frame: f}}
}

// Root returns the node of the document.
func (s *Shape) Root() *Node { return s.root }

// Key asks for a key of an object, which is not "". A document with another value there is not taken.
func (n *Node) Key(key string) *Node {
	if known := n.Child(key); known != nil {
		return known
	}
	child := n.new()
	child.key = key
	n.keys = append(n.keys, child)
	return child
}

// Child returns the node of a key that was asked for, nil of another.
func (n *Node) Child(key string) *Node {
	for _, child := range n.keys {
		if child.key == key {
			return child
		}
	}
	return nil
}

// Index asks for an element of a list, from 0.
func (n *Node) Index(i int) *Node {
	for _, known := range n.indexes {
		if known.index == i {
			return known.node
		}
	}
	child := n.new()
	n.indexes = append(n.indexes, indexed{i, child})
	return child
}

func (n *Node) new() *Node {
	n.frame.size++
	return &Node{slot: n.frame.size - 1, frame: n.frame}
}

// Element asks for all elements of a list, each in a frame of its own.
func (n *Node) Element() *Node {
	if n.element == nil {
		n.element = &Node{slot: elementSlot, frame: &frame{size: elementSlot + 1}}
	}
	return n.element
}

// Slot returns where in its frame the value of the node is.
func (n *Node) Slot() int { return n.slot }

// isLeaf reports whether nothing in the value is asked for.
func (n *Node) isLeaf() bool { return n.keys == nil && n.indexes == nil && n.element == nil }

// Seal ends the building of the shape.
func (s *Shape) Seal() { s.seal(s.root) }

func (s *Shape) seal(n *Node) {
	if n.keys != nil {
		n.children = newTable(n.keys)
		n.object = s.objects
		s.objects++
	}
	for _, child := range n.keys {
		s.seal(child)
	}
	for _, child := range n.indexes {
		s.seal(child.node)
	}
	if n.element != nil {
		s.seal(n.element)
	}
}

// table finds nodes by key: each key has a place of its own, so that one look tells. Where no such places
// are found it is a map.
type table struct {
	places []*Node
	factor uint64
	shift  uint
	byKey  map[string]*Node
}

// newTable looks for a factor that gives each key a place of its own.
func newTable(nodes []*Node) table {
	for size := bits.Len(uint(len(nodes))); size < bits.Len(uint(len(nodes)))+3; size++ {
		for try := range uint64(200) {
			t := table{places: make([]*Node, 1<<size), factor: (2*try + 1) * 0x9e3779b97f4a7c15, shift: uint(64 - size)}
			if t.place(nodes) {
				return t
			}
		}
	}
	t := table{byKey: map[string]*Node{}}
	for _, n := range nodes {
		t.byKey[n.key] = n
	}
	return t
}

// place puts nodes where they belong, and reports whether each has its own place.
func (t *table) place(nodes []*Node) bool {
	for _, n := range nodes {
		at := &t.places[hash([]byte(n.key))*t.factor>>t.shift]
		if *at != nil {
			return false
		}
		*at = n
	}
	return true
}

// find returns the node of a key, nil when it is not asked for.
func (t *table) find(key []byte) *Node {
	if t.places == nil {
		return t.byKey[string(key)]
	}
	if n := t.places[hash(key)*t.factor>>t.shift]; n != nil && n.key == string(key) {
		return n
	}
	return nil
}

// hash mixes the length and up to sixteen bytes from both ends of a key.
func hash(key []byte) uint64 {
	n := len(key)
	var first, last uint64
	switch {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		first, last = uint64(key[0]), uint64(key[n/2])<<8|uint64(key[n-1])
	}
	h := first*0xff51afd7ed558ccd ^ bits.RotateLeft64(last, 29)*0xc4ceb9fe1a85ec53 ^ uint64(n)
	return h ^ h>>32
}
