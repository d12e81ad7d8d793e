// Command sink-kis books target messages in 金蝶 KIS 私有云 (Kingdee KIS).
package main

import "github.com/erpstream/erpstream/pkg/sink"

func main() { sink.MainOn("kis", nil) }
