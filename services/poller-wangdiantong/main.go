// Command poller-wangdiantong polls the feeds of 旺店通 Wangdiantong into RAW: of the enterprise and
// the flagship edition, each directly or through Qimen.
package main

import (
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/reader/wangdiantong"
)

func main() {
	poll.Main("wangdiantong", map[string]poll.Open{"wangdiantong": wangdiantong.Open})
}
