package sink_test

import (
	"context"
	"fmt"

	"github.com/erpstream/erpstream/pkg/sink"
)

// A whole sink of another team: its main calls sink.Main("stdout", open).
func Example() {
	open := func(context.Context, func(string) string) (sink.Sink, error) {
		return sink.Func(func(_ context.Context, batch []sink.Message) error {
			_, err := fmt.Println(len(batch), "messages")
			return err
		}), nil
	}
	s, _ := open(context.Background(), func(string) string { return "" })
	_ = s.Write(context.Background(), make([]sink.Message, 3))
	// Output: 3 messages
}
