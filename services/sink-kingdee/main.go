// Command sink-kingdee books target messages in 金蝶云星辰 V2 (Kingdee Xingchen V2).
package main

import "github.com/erpstream/erpstream/pkg/sink"

func main() { sink.MainOn("kingdee", nil) }
