// Package dfa matches small patterns of ASCII characters, such as ^[0-9]+-[0-9]+$, with one look at a table for
// each byte. It is for patterns that are matched very often; package regexp matches all the others.
package dfa

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// maxStates bounds a Matcher: a state takes 256 bytes.
const maxStates = 200

// Two states are the same in all: a text can't match any more, or it matches whatever follows.
const (
	dead = iota
	matched
	first
)

// Matcher is a compiled pattern. It may be used by several goroutines at once.
type Matcher struct {
	next [][256]uint8
	// atEnd tells by state whether a text that ends there matches.
	atEnd []bool
}

// Compile compiles a pattern in the syntax of package regexp. It returns nil for one that a Matcher is not
// made for: with characters beyond ASCII, which a dot and a class that excludes something take too, without
// regard to case, with boundaries of words or lines, or with too many states.
func Compile(pattern string) *Matcher {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || !slices.ContainsFunc(prog.Inst, isMatch) || slices.ContainsFunc(prog.Inst, isForeign) {
		return nil
	}
	b := builder{prog: prog, known: map[string]uint8{}, m: &Matcher{next: make([][256]uint8, first), atEnd: []bool{false, true}}}
	if !b.build() {
		return nil
	}
	return b.m
}

func isMatch(i syntax.Inst) bool { return i.Op == syntax.InstMatch }

// isForeign reports whether an instruction is none for a Matcher.
func isForeign(i syntax.Inst) bool {
	switch i.Op {
	case syntax.InstEmptyWidth:
		return syntax.EmptyOp(i.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0
	case syntax.InstRune, syntax.InstRune1:
		return syntax.Flags(i.Arg)&syntax.FoldCase != 0 || slices.ContainsFunc(i.Rune, func(r rune) bool { return r >= utf8.RuneSelf })
	case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	default:
		return false
	}
}

// builder makes states of sets of instructions.
type builder struct {
	prog  *syntax.Prog
	m     *Matcher
	known map[string]uint8
	// sets are the instructions of each state from first on that take a character.
	sets [][]uint32
}

// build makes all states; the first is that of the begin of a text.
func (b *builder) build() bool {
	if b.state([]uint32{uint32(b.prog.Start)}, true) == matched {
		b.sets, b.m.next, b.m.atEnd = append(b.sets, nil), append(b.m.next, [256]uint8{}), append(b.m.atEnd, true)
		for c := range 256 {
			b.m.next[first][c] = matched
		}
		return true
	}
	for at := 0; at < len(b.sets); at++ {
		for c := range 256 {
			next := []uint32{uint32(b.prog.Start)}
			for _, pc := range b.sets[at] {
				if inst := &b.prog.Inst[pc]; c < utf8.RuneSelf && inst.MatchRunePos(rune(c)) >= 0 {
					next = append(next, inst.Out)
				}
			}
			b.m.next[first+at][c] = b.state(next, false)
		}
		if len(b.sets) > maxStates {
			return false
		}
	}
	return true
}

// state returns the state of the instructions that can be reached, at the begin of a text or within it.
func (b *builder) state(from []uint32, begin bool) uint8 {
	flags := syntax.EmptyOp(0)
	if begin {
		flags = syntax.EmptyBeginText
	}
	set, matches := b.reach(from, flags)
	if matches {
		return matched
	}
	_, atEnd := b.reach(from, flags|syntax.EmptyEndText)
	if len(set) == 0 && !atEnd && !begin && b.isAnchored() {
		return dead
	}
	key := []byte{0}
	if atEnd {
		key[0] = 1
	}
	for _, pc := range set {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if known, ok := b.known[string(key)]; ok {
		return known
	}
	if len(b.sets) > maxStates {
		return dead // build gives up
	}
	state := uint8(len(b.m.next))
	b.known[string(key)] = state
	b.sets, b.m.next, b.m.atEnd = append(b.sets, set), append(b.m.next, [256]uint8{}), append(b.m.atEnd, atEnd)
	return state
}

// isAnchored reports whether a match can only begin where the text does.
func (b *builder) isAnchored() bool {
	set, matches := b.reach([]uint32{uint32(b.prog.Start)}, syntax.EmptyEndText)
	return len(set) == 0 && !matches
}

// reach returns the instructions that take a character and can be reached without one, and whether a match can.
func (b *builder) reach(from []uint32, flags syntax.EmptyOp) (set []uint32, matches bool) {
	seen := make([]bool, len(b.prog.Inst))
	for todo := slices.Clone(from); len(todo) > 0; {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &b.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				todo = append(todo, inst.Out)
			}
		case syntax.InstMatch:
			matches = true
		case syntax.InstRune, syntax.InstRune1:
			set = append(set, pc)
		}
	}
	slices.Sort(set)
	return set, matches
}

// Match reports whether text has a match of the pattern.
func (m *Matcher) Match(text []byte) bool {
	state := uint8(first)
	for _, c := range text {
		if state = m.next[state][c]; state < first {
			return state == matched
		}
	}
	return m.atEnd[state]
}
