// Command sink-reference keeps master data that mappings look up.
package main

import "github.com/erpstream/erpstream/pkg/sink"

func main() { sink.MainOn("reference", nil) }
