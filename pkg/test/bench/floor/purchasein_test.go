package floor_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/bench/floor"
)

// shipped compiles the shipped flow that the floor imitates.
func shipped(t testing.TB) *mapping.Mapping {
	t.Helper()
	set := flow.Set{}
	for _, name := range []string{"connections/bi-main", "connections/jst-main", "sources/jst-purchasein", "flows/jst-purchasein-to-mysql"} {
		path := filepath.Join("..", "..", "..", "..", "deploy", "config", name+".yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := flow.Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		set = set.With(docs...)
	}
	judge, err := verdict.New(set, set.Flows["jst-purchasein-to-mysql"])
	if err != nil {
		t.Fatal(err)
	}
	return judge.Mapping
}

// The floor does the work that it is compared with: its messages are those of the shipped flow, byte by byte.
func TestPurchaseInEqualsTheShippedFlow(t *testing.T) {
	m := shipped(t)
	bodies := [][]byte{
		[]byte(`{"io_id":"2204003", "ts":null, "modified":"2024-02-29 23:59:59", "status":"a\"b\u4ef6\n", "io_date":"0000-00-00 00:00:00", "archived":"", "po_id":"", "items":[ ]}`),
		[]byte(`{"items":[{"qty":"-1.50","ioi_id":77,"x":{"a":[1,{}]},"name":""}], "io_id":1, "modified":"2025-03-01 00:00:00", "status":"\u4ef6", "remark":"", "warehouse":"仓库仓库仓库仓库仓库仓库仓库仓库仓库仓库"}`),
		[]byte(`{"io_id":1,"items":null}`),
	}
	for n := range 2000 {
		bodies = append(bodies, floor.Record(n*n))
	}
	for _, body := range bodies {
		want, err := m.Apply(record.Envelope{}, body, nil)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got, err := floor.PurchaseIn(nil, body)
		if err != nil || !bytes.Equal(got, want.Body) {
			t.Fatalf("%s\nfloor   %x, %v\nmapping %x", body, got, err, want.Body)
		}
	}
}

func TestRecordIsOfTheSizeThatIsCompared(t *testing.T) {
	for n := range 10_000 {
		if size := len(floor.Record(n)); size < 1100 || size > 1300 {
			t.Fatalf("record %d has %d bytes", n, size)
		}
	}
}

// What is cut off is an error, and no panic.
func TestPurchaseInOfWhatIsCutOff(t *testing.T) {
	body := floor.Record(7)
	for n := range len(body) {
		if _, err := floor.PurchaseIn(nil, body[:n]); err == nil {
			t.Fatalf("%s: no error", body[:n])
		}
	}
}

// BenchmarkPurchaseIn does the floor and the mapping in turn, so that a busy machine slows both, and reports the
// CPU time of each and their ratio.
func BenchmarkPurchaseIn(b *testing.B) {
	var bodies [][]byte
	for n := range 100 {
		bodies = append(bodies, floor.Record(n*n))
	}
	m := shipped(b)
	ways := []func(dst, body []byte) ([]byte, error){
		floor.PurchaseIn,
		func(dst, body []byte) ([]byte, error) {
			dst, _, err := m.Append(dst, record.Envelope{}, body, nil)
			return dst, err
		},
	}
	spent := make([]time.Duration, len(ways))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		for i, way := range ways {
			began := cpuTime(b)
			for _, body := range bodies {
				var err error
				if dst, err = way(dst[:0], body); err != nil {
					b.Fatal(err)
				}
			}
			spent[i] += cpuTime(b) - began
		}
	}
	for i, name := range []string{"floor-ns/record", "mapping-ns/record"} {
		b.ReportMetric(float64(spent[i].Nanoseconds())/float64(b.N*len(bodies)), name)
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
}

// cpuTime is what this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
