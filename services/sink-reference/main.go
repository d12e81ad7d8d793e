// Command sink-reference keeps the master data that mappings look up in the bucket "reference".
package main

import (
	"context"
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/sink"
)

func main() { sink.MainOn("reference", open) }

// open returns the sink of the master data of a connection, whatever system that leads to.
func open(_ context.Context, connection flow.Connection, svc *service.Service) (sink.Sink, error) {
	return bucket{js: svc.JS, connection: connection.Name}, nil
}
