// Command sink-mysql writes target messages to MySQL and MariaDB: each document as a whole, its
// lines as rows, never an older state over a newer one.
package main

import (
	"context"
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/sink"
)

func main() { sink.Main("mysql", open) }

// open returns the sink of one connection. The server need not be there yet.
func open(_ context.Context, get func(string) string) (sink.Sink, error) {
	s, err := readSettings(get)
	if err != nil {
		return nil, err
	}
	db, err := s.database(get)
	if err != nil {
		return nil, err
	}
	return newWriters(db, s.location), nil
}
