// Package limits works out what each size of an installation asks of each part, beside what that part was
// measured to bear: which resource grows with what, and which ends first.
package limits

import (
	"cmp"
	"slices"
)

// Size is an installation on paper. Each connection has a source and a flow.
type Size struct {
	Connections int `json:"connections"`
	// Targets are the connections that are written to.
	Targets int     `json:"targets"`
	PerDay  float64 `json:"records_per_day"`
	// Transformers is how many replicas of it there are.
	Transformers int `json:"transformers"`
}

// Sizes are those of the table: the shipped flows, then ten times as much again and again.
func Sizes() []Size {
	return []Size{
		{Connections: 5, Targets: 3, PerDay: 20_000, Transformers: 2},
		{Connections: 100, Targets: 25, PerDay: 1e6, Transformers: 2},
		{Connections: 500, Targets: 125, PerDay: 5e6, Transformers: 2},
		{Connections: 1000, Targets: 250, PerDay: 10e6, Transformers: 3},
		{Connections: 3000, Targets: 750, PerDay: 30e6, Transformers: 4},
		{Connections: 10_000, Targets: 2500, PerDay: 100e6, Transformers: 8},
	}
}

// Load is how much of a part a size takes.
type Load struct {
	Part string `json:"part"`
	// Takes and Bears are in Unit; Share is the one of the other, and more than 1 does not work.
	Takes float64 `json:"takes"`
	Bears float64 `json:"bears"`
	Unit  string  `json:"unit"`
	Share float64 `json:"share"`
	// Knob says what moves the limit.
	Knob string `json:"knob"`
}

// Row is a size with what it takes of each part, the fullest first.
type Row struct {
	Size  Size   `json:"size"`
	Loads []Load `json:"loads"`
}

// First is the part that is fullest.
func (r Row) First() Load { return r.Loads[0] }

// Table is a row for each size.
func Table(sizes []Size) []Row {
	var rows []Row
	for _, s := range sizes {
		row := Row{Size: s}
		for _, p := range parts {
			takes := p.takes(s)
			row.Loads = append(row.Loads, Load{p.name, takes, p.bears, p.unit, takes / p.bears, p.knob})
		}
		slices.SortStableFunc(row.Loads, func(a, b Load) int { return cmp.Compare(b.Share, a.Share) })
		rows = append(rows, row)
	}
	return rows
}
