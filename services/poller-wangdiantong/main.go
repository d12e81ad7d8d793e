// Command poller-wangdiantong polls the feeds of 旺店通 Wangdiantong into RAW.
package main

import "github.com/erpstream/erpstream/pkg/poll"

func main() { poll.Main("wangdiantong", nil) }
