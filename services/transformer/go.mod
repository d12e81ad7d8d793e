module github.com/erpstream/erpstream/services/transformer

go 1.26.0

require (
	github.com/erpstream/erpstream/pkg v0.1.0
	github.com/erpstream/erpstream/proto v0.1.0
)

replace (
	github.com/erpstream/erpstream/pkg => ../../pkg
	github.com/erpstream/erpstream/pkg/test => ../../pkg/test
	github.com/erpstream/erpstream/proto => ../../proto
)
