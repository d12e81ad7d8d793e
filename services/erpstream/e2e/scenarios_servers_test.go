package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/mysqld"
	"github.com/erpstream/erpstream/pkg/topology"
)

// database is a server of a run's own, behind a proxy.
type database struct {
	folder   string
	instance *mysqld.Instance
	proxy    *proxy
	root     *sql.DB
}

// databaseTroubled kills the database server, locks its rows, makes it read-only as a fail-over does,
// and cuts its connections, also in the midst of a statement.
func databaseTroubled() scenario {
	return scenario{
		name: "database", prepare: (*ordeal).ownDatabase, strikes: 7,
		least: time.Second, most: 2 * time.Second,
		strike: func(o *ordeal) {
			troubles := []func(*database, *ordeal){
				(*database).kill, (*database).cut, (*database).tear, (*database).lock, (*database).deadlock, (*database).readOnly,
			}
			o.turn++
			troubles[o.turn%len(troubles)](o.db, o)
		},
	}
}

// ownDatabase starts a server and a user for the services who may not do all, so that a server that is
// read-only is so for them.
func (o *ordeal) ownDatabase() {
	o.db = &database{folder: o.t.TempDir()}
	o.db.start(o, 0)
	o.t.Cleanup(func() { _ = o.db.instance.Stop() })
	var err error
	if o.db.root, err = sql.Open("mysql", o.db.instance.DSN()); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = o.db.root.Close() })
	for _, statement := range []string{
		"SET GLOBAL innodb_lock_wait_timeout = 2",
		"CREATE USER services@'%' IDENTIFIED BY 'services'",
		"GRANT ALL ON " + o.db.instance.Database + ".* TO services@'%'",
	} {
		if _, err := o.db.root.ExecContext(o.t.Context(), statement); err != nil {
			o.t.Fatal(err)
		}
	}
	o.db.proxy = newProxy(o.t, o.db.instance.Addr)
	o.dsn = fmt.Sprintf("services:services@tcp(%s)/%s", o.db.proxy.address(), o.db.instance.Database)
}

func (d *database) start(o *ordeal, port int) {
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	instance, err := mysqld.Start(ctx, mysqld.Options{Dir: d.folder, Port: port})
	if err != nil {
		o.t.Fatal(err)
	}
	d.instance = instance
}

// sink is who writes to the database.
const sink = "sink-mysql"

func (d *database) kill(o *ordeal) {
	text, err := os.ReadFile(filepath.Join(d.folder, "data", "mysqld.pid"))
	if err != nil {
		o.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		o.t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	o.kills++
	o.hit(sink)
	<-d.instance.Done()
	_, port, _ := strings.Cut(d.instance.Addr, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		o.t.Fatal(err)
	}
	d.start(o, n)
	d.execute(o, "SET GLOBAL innodb_lock_wait_timeout = 2")
}

func (d *database) cut(o *ordeal) {
	d.proxy.cut()
	o.hit(sink)
}

func (d *database) tear(o *ordeal) {
	d.proxy.tear()
	o.hit(sink)
}

// readOnly is what the old server of a fail-over is for a while.
func (d *database) readOnly(o *ordeal) {
	d.execute(o, "SET GLOBAL read_only = 1")
	o.hit(sink)
	<-time.After(3 * time.Second)
	d.execute(o, "SET GLOBAL read_only = 0")
}

// lock holds all guards for longer than a sink waits for one.
func (d *database) lock(o *ordeal) {
	d.hold(o, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(o.t.Context(), "SELECT 1 FROM erpstream_guard FOR UPDATE")
		o.hit(sink)
		<-time.After(3 * time.Second)
		return err
	})
}

// deadlock takes guards one by one, in another order than the sink, until somebody has to give way.
func (d *database) deadlock(o *ordeal) {
	o.hit(sink)
	d.hold(o, func(tx *sql.Tx) error {
		for range 40 {
			if _, err := tx.ExecContext(o.t.Context(), "SELECT 1 FROM erpstream_guard ORDER BY RAND() LIMIT 1 FOR UPDATE"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *database) hold(o *ordeal, do func(*sql.Tx) error) {
	tx, err := d.root.BeginTx(o.t.Context(), nil)
	if err == nil {
		err = do(tx)
		_ = tx.Rollback()
	}
	if err != nil {
		o.t.Logf("database: %v", err)
	}
}

func (d *database) execute(o *ordeal, statement string) {
	eventually(o.t, func() error {
		_, err := d.root.ExecContext(o.t.Context(), statement)
		return err
	})
}

// streams are those that documents go through.
var streams = []string{topology.Raw, topology.Target, topology.Receipts, topology.Polls}

// natsTroubled kills the leader of a stream, all servers at once, makes one stand still, and fills a
// stream's disk.
func natsTroubled(stands time.Duration) scenario {
	return scenario{
		name: "NATS", strikes: 6, args: []string{"--edits", "320"},
		least: time.Second, most: 2 * time.Second,
		strike: func(o *ordeal) {
			stream := oneOf(o, streams)
			switch o.turn++; o.turn % 6 {
			case 0:
				o.standStill(stream, stands)
			case 3:
				o.killAll()
			case 2, 4:
				o.fill(oneOf(o, []string{topology.Raw, topology.Target, topology.Receipts}))
			default:
				o.killLeader(stream)
			}
		},
	}
}

func (o *ordeal) killLeader(stream string) {
	n := o.leader(o.js, stream)
	n.Kill()
	o.kills++
	o.hit(all)
	<-time.After(time.Duration(1+o.dice.IntN(2)) * time.Second)
	n.Start()
	o.cluster.Wait()
}

func (o *ordeal) killAll() {
	o.cluster.Kill()
	o.kills += len(o.cluster.Nodes)
	o.hit(all)
	o.cluster.Start()
	o.cluster.Wait()
}

func (o *ordeal) standStill(stream string, d time.Duration) {
	n := o.leader(o.js, stream)
	n.Pause()
	o.hit(all)
	<-time.After(d)
	n.Resume()
	o.cluster.Wait()
}

// fill lets a stream have no more room for some seconds.
func (o *ordeal) fill(stream string) {
	limit := func(bytes func(jetstream.StreamState) int64) {
		eventually(o.t, func() error {
			ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Second)
			defer cancel()
			s, err := o.js.Stream(ctx, stream)
			if err != nil {
				return err
			}
			config := s.CachedInfo().Config
			config.MaxBytes = bytes(s.CachedInfo().State)
			_, err = o.js.UpdateStream(ctx, config)
			return err
		})
	}
	limit(func(s jetstream.StreamState) int64 { return int64(max(s.Bytes, 1)) })
	o.hit(all)
	<-time.After(3 * time.Second)
	limit(func(jetstream.StreamState) int64 { return -1 })
}
