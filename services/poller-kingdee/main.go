// Command poller-kingdee polls master data of 金蝶 Kingdee (云星辰 V2 and KIS 私有云) into RAW.
package main

import (
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/reader/kingdee"
)

func main() {
	poll.Main("kingdee", map[string]poll.Open{"kingdee": kingdee.OpenXingchen, "kis": kingdee.OpenKIS})
}
