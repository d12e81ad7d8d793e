module github.com/erpstream/erpstream/services/sink-mysql

go 1.26.0

require (
	github.com/erpstream/erpstream/pkg v0.1.0
	github.com/erpstream/erpstream/pkg/test v0.1.0
	github.com/erpstream/erpstream/proto v0.1.0
	github.com/go-sql-driver/mysql v1.10.1
	google.golang.org/protobuf v1.36.12
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
)

replace (
	github.com/erpstream/erpstream/pkg => ../../pkg
	github.com/erpstream/erpstream/pkg/test => ../../pkg/test
	github.com/erpstream/erpstream/proto => ../../proto
)
