// Command poller-kingdee polls master data of 金蝶 Kingdee (云星辰 V2 and KIS 私有云) into RAW.
package main

import "github.com/erpstream/erpstream/pkg/poll"

func main() { poll.Main("kingdee", nil) }
