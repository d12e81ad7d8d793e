package main

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/pkg/test/mysqltest"
	"github.com/erpstream/erpstream/proto/contract"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

func TestMain(m *testing.M) {
	registerTransfer()
	mysqltest.Main(m)
}

const (
	purchaseIn = "erpstream.mysql.v1.PurchaseIn"
	transfer   = "sinktest.v1.Transfer"
)

// registerTransfer adds a contract with text as document and a key of two columns.
func registerTransfer() {
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(number), Type: kind.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	const text = descriptorpb.FieldDescriptorProto_TYPE_STRING
	lines := field("lines", 2, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	lines.TypeName, lines.Label = new(".sinktest.v1.TransferLine"), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	options := &descriptorpb.MessageOptions{}
	proto.SetExtension(options, sinkv1.E_Table, &sinkv1.Table{
		Name: new("transfer"), Rows: new("lines"), Document: new("code"), PrimaryKey: []string{"code", "line"},
	})
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("sinktest.proto"), Package: new("sinktest.v1"), Syntax: new("editions"),
		Edition: descriptorpb.Edition_EDITION_2023.Enum(),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("Transfer"), Options: options, Field: []*descriptorpb.FieldDescriptorProto{field("code", 1, text), lines}},
			{Name: new("TransferLine"), Field: []*descriptorpb.FieldDescriptorProto{
				field("code", 1, text), field("line", 2, descriptorpb.FieldDescriptorProto_TYPE_INT64), field("goods", 3, text),
			}},
		},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	if err := protoregistry.GlobalTypes.RegisterMessage(dynamicpb.NewMessageType(file.Messages().Get(0))); err != nil {
		panic(err)
	}
}

// settingsOf returns what a connection to a test database says; changes are name, value.
func settingsOf(db *mysqltest.Database, changes ...string) map[string]string {
	s := map[string]string{"connection": "bi", "endpoint": db.Endpoint(), "user": db.User, "password": db.Password}
	for change := range slices.Chunk(changes, 2) {
		s[change[0]] = change[1]
	}
	return s
}

// openSink opens a sink with settings, which may change later, and returns one of its writers.
func openSink(t testing.TB, settings map[string]string) *writer {
	t.Helper()
	return <-openWriters(t, settings).idle
}

// openWriters opens a sink with settings, which may change later.
func openWriters(t testing.TB, settings map[string]string) *writers {
	t.Helper()
	s, err := open(t.Context(), func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	w, ok := s.(*writers)
	if !ok {
		t.Fatalf("open returned a %T", s)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// testDatabase returns a database with the guard and the tables of messages.
func testDatabase(t testing.TB, messages ...string) *mysqltest.Database {
	t.Helper()
	db := mysqltest.Open(t)
	if len(messages) > 0 {
		createTables(t, db.DB, messages...)
	}
	return db
}

func createTables(t testing.TB, db *sql.DB, messages ...string) {
	t.Helper()
	statements := []string{table.GuardDDL()}
	for _, name := range messages {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		tab, err := table.Of(mt.Descriptor())
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, tab.DDL())
	}
	for _, s := range statements {
		execute(t, db, s)
	}
}

// execute runs a statement.
func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// at is the time of change of all test documents.
var at = time.Date(2024, 12, 31, 16, 0, 5, 999_000_000, time.UTC)

// line returns a row of a receipt.
func line(document, number int64, remark string) *mysqlv1.PurchaseInRow {
	return &mysqlv1.PurchaseInRow{
		Id: new(fmt.Sprintf("%d-%d", document, number)), IoId: new(document), ItemsIoiId: new(number),
		Modified: timestamppb.New(at), Status: new("已入库"), ItemsQty: new("1.5000"), Remark: new(remark),
	}
}

// lines returns n rows of a receipt.
func lines(document int64, n int, remark string) []*mysqlv1.PurchaseInRow {
	var rows []*mysqlv1.PurchaseInRow
	for i := range n {
		rows = append(rows, line(document, int64(i+1), remark))
	}
	return rows
}

// receipt returns a target message of a receipt with these rows.
func receipt(t testing.TB, document, version int64, rows ...*mysqlv1.PurchaseInRow) sink.Message {
	t.Helper()
	return message(t, purchaseIn, strconv.FormatInt(document, 10), version, &mysqlv1.PurchaseIn{IoId: new(document), Rows: rows})
}

// message returns a target message; its RAW sequence is its version.
func message(t testing.TB, schema, key string, version int64, body proto.Message) sink.Message {
	t.Helper()
	data, err := proto.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return sink.Message{
		Envelope: record.Envelope{
			Source: "jst-purchasein", Type: "jushuitan.purchasein", Key: key, Version: version, Schema: schema,
			Flow: "jst-purchasein-to-bi", FlowRevision: 1, RawSequence: uint64(version),
		},
		Body: data,
	}
}

// removed returns a message that removes a document.
func removed(t testing.TB, schema, key string, version int64) sink.Message {
	m := message(t, schema, key, version, &mysqlv1.PurchaseIn{})
	m.Body = nil
	m.Type += record.RemovedSuffix
	return m
}

// mustWrite writes a batch.
func mustWrite(t testing.TB, s sink.Sink, batch ...sink.Message) {
	t.Helper()
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// stored returns one column of the rows that a query gives, joined by commas.
func stored(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var values []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(values, ",")
}
