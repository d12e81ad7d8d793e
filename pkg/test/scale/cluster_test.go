package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// cluster starts three servers in this process, which flush what they acknowledge, with all streams three times.
func cluster(b *testing.B) jetstream.JetStream {
	b.Helper()
	var routes []*url.URL
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		_ = l.Close()
	}
	var servers []*server.Server
	for i, route := range routes {
		port, _ := strconv.Atoi(route.Port())
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: b.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
			NoSigs: true, NoLog: true, ServerName: fmt.Sprint("n", i),
		})
		if err != nil {
			b.Fatal(err)
		}
		go s.Start()
		b.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(30 * time.Second) {
			b.Fatal("a NATS server did not come up in 30 s")
		}
	}
	js := natstest.Connect(b, servers[0])
	natstest.Eventually(b, func() error {
		_, err := topology.Provision(b.Context(), js, 3)
		return err
	})
	return js
}

// processor is the processor time of this process.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idle is what the servers take of a processor while nothing happens, and the heap in bytes.
func idle(b *testing.B) (share, heap float64) {
	b.Helper()
	const watched = 10 * time.Second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := processor(b)
	<-time.After(watched)
	return (processor(b) - before).Seconds() / watched.Seconds(), float64(m.HeapAlloc)
}

// BenchmarkIdleConsumer measures what a consumer of three replicas costs all three servers together while nobody
// asks for anything: each is a Raft group that beats once a second.
func BenchmarkIdleConsumer(b *testing.B) {
	const consumers = 400
	for b.Loop() {
		js := cluster(b)
		cpu, heap := idle(b)
		began := time.Now()
		for i := range consumers {
			name := fmt.Sprint("c", i)
			config := jetstream.ConsumerConfig{Durable: topology.PollerConsumer(name), FilterSubject: topology.PollFilter(name), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1}
			if _, err := js.CreateConsumer(b.Context(), topology.Polls, config); err != nil {
				b.Fatal(err)
			}
		}
		made := time.Since(began)
		cpuWith, heapWith := idle(b)
		b.ReportMetric((cpuWith-cpu)/consumers*1e6, "µs-cpu/s/consumer")
		b.ReportMetric((heapWith-heap)/consumers/1024, "KiB/consumer")
		b.ReportMetric(made.Seconds()/consumers*1000, "ms/creation")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkReplicatedBatches measures how fast RAW of three replicas takes windows of records of 1 KiB, and what a
// record costs all three servers together: great windows, four at once, and small ones of a record each.
func BenchmarkReplicatedBatches(b *testing.B) {
	for _, of := range []struct{ windows, records, atOnce int }{{60, topology.BatchLimit - 1, 4}, {1200, 1, 32}} {
		b.Run(fmt.Sprint(of.records), func(b *testing.B) {
			for b.Loop() {
				js := cluster(b)
				began, before := time.Now(), processor(b)
				done := make(chan error, of.atOnce)
				for w := range of.atOnce {
					go func() {
						var err error
						for n := w; n < of.windows && err == nil; n += of.atOnce {
							err = window(b.Context(), js, n, of.records)
						}
						done <- err
					}()
				}
				for range of.atOnce {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				took, cpu := time.Since(began), processor(b)-before
				b.ReportMetric(float64(of.windows)/took.Seconds(), "windows/s")
				b.ReportMetric(float64(of.windows*of.records)/took.Seconds(), "records/s")
				b.ReportMetric(cpu.Seconds()/float64(of.windows*of.records)*1e6, "µs-cpu/record")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// window commits records with the message that closes their window.
func window(ctx context.Context, js jetstream.JetStream, n, records int) error {
	body := bytes.Repeat([]byte("x"), 1024)
	source := fmt.Sprint("s", n)
	var batch []*nats.Msg
	for i := range records {
		msg := nats.NewMsg(topology.RawSubject("x", source, strconv.Itoa(i)))
		msg.Data = body
		batch = append(batch, msg)
	}
	closing := nats.NewMsg(topology.WindowSubject(source))
	closing.Data = body[:100]
	_, err := jetstreamext.PublishMsgBatch(ctx, js, append(batch, closing))
	return err
}

// BenchmarkReplicatedStatus measures how fast a bucket of three replicas takes small entries that are published
// one by one, a thousand on their way: so replicas say what they do.
func BenchmarkReplicatedStatus(b *testing.B) {
	const entries, underWay = 10_000, 1000
	for b.Loop() {
		js := cluster(b)
		value := bytes.Repeat([]byte("x"), 150)
		began, before := time.Now(), processor(b)
		var written []jetstream.PubAckFuture
		for i := range entries {
			future, err := js.PublishAsync(fmt.Sprintf("$KV.%s.transformer.a.f%d", topology.BucketStatus, i), value)
			if err != nil {
				b.Fatal(err)
			}
			if written = append(written, future); len(written) == underWay {
				settled(b, written)
				written = written[:0]
			}
		}
		took, cpu := time.Since(began), processor(b)-before
		b.ReportMetric(entries/took.Seconds(), "entries/s")
		b.ReportMetric(cpu.Seconds()/entries*1e6, "µs-cpu/entry")
		b.ReportMetric(0, "ns/op")
	}
}

func settled(b *testing.B, written []jetstream.PubAckFuture) {
	b.Helper()
	for _, w := range written {
		select {
		case <-w.Ok():
		case err := <-w.Err():
			b.Fatal(err)
		}
	}
}

// BenchmarkLookAtConsumer measures how fast consumers are asked for one by one, as the watchdog does.
func BenchmarkLookAtConsumer(b *testing.B) {
	js := cluster(b)
	config := jetstream.ConsumerConfig{Durable: "c", FilterSubject: "raw.a.b.*", AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := js.CreateConsumer(b.Context(), topology.Raw, config); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		stream, err := js.Stream(b.Context(), topology.Raw)
		if err == nil {
			_, err = stream.Consumer(b.Context(), "c")
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
