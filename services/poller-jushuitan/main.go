// Command poller-jushuitan polls the feeds of 聚水潭 Jushuitan into RAW.
package main

import (
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/reader/jushuitan"
)

func main() {
	poll.Main("jushuitan", map[string]poll.Open{"jushuitan": jushuitan.Open})
}
