package poll

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"sync/atomic"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/supervise"
)

// Open makes the reader of one account; blocking calls of it end with ctx.
type Open func(ctx context.Context, connection flow.Connection, svc *service.Service) (Reader, error)

// Main is the main function of the service poller-<name>: it works off the queue of every
// connection of those systems that has sources, until SIGINT or SIGTERM. It does not return.
func Main(name string, systems map[string]Open) {
	service.Main("poller-"+name, readConfig, func(ctx context.Context, _ struct{}, svc *service.Service) error {
		accounts := map[string]*atomic.Pointer[map[string]Source]{}
		scheduled := map[string]map[string]Source{}
		room := make(chan struct{}, atOnce)
		return supervise.Follow(ctx, svc, func(ctx context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]supervise.Task {
			wanted := map[string]supervise.Task{}
			for name, sources := range byConnection(snapshot, systems) {
				if accounts[name] == nil {
					accounts[name] = &atomic.Pointer[map[string]Source]{}
				}
				accounts[name].Store(&sources)
				if !reflect.DeepEqual(scheduled[name], sources) {
					if err := reconcile(ctx, svc, name, sources); err != nil {
						svc.Log.ErrorContext(ctx, "schedules not set", "connection", name, "err", err)
					} else {
						scheduled[name] = sources
					}
				}
				wanted[name] = shared{svc, reporter, room}.task(snapshot, name, accounts[name].Load, systems[snapshot.Connections[name].System])
			}
			return wanted
		})
	})
}

// atOnce is how many connections' cursors and windows one process reads and writes at once.
const atOnce = 32

// readConfig reads nothing: what a poller does stands in the configuration bucket.
func readConfig(*service.Env) (struct{}, error) { return struct{}{}, nil }

// shared is what the connections of a process have in common.
type shared struct {
	svc      *service.Service
	reporter *status.Reporter
	room     chan struct{}
}

// task is the loop of one connection. The sources change while it runs.
func (s shared) task(snapshot flow.Snapshot, name string, sources func() *map[string]Source, open Open) supervise.Task {
	connection, revision := snapshot.Connections[name], snapshot.Revision(flow.KindConnection, name)
	run := func(ctx context.Context) error {
		reader, err := open(ctx, connection, s.svc)
		if err != nil {
			return fmt.Errorf("open connection %s: %w", name, err)
		}
		poller := New(s.svc.JS, reader, s.svc.Instance, s.svc.Log)
		poller.room = s.room
		queue := &Queue{
			JS: s.svc.JS, Poller: poller, Connection: name, Log: s.svc.Log,
			Sources: func() map[string]Source { return *sources() },
			Report:  func(source string, err error) { s.reporter.Set(source, status.Of(err, status.Failed), 0, err) },
		}
		return queue.Run(ctx)
	}
	return supervise.Task{Fingerprint: fmt.Sprint(revision), Revision: revision, Run: run}
}

// reconcile makes the server tick for exactly the sources of a connection.
func reconcile(ctx context.Context, svc *service.Service, connection string, sources map[string]Source) error {
	for src := range maps.Values(sources) {
		if err := Schedule(ctx, svc.JS, src); err != nil {
			return err
		}
	}
	return Unschedule(ctx, svc.JS, connection, sources)
}

// byConnection returns the sources of the systems' connections, by connection. A connection
// without sources is there too, so that its schedules end.
func byConnection(snapshot flow.Snapshot, systems map[string]Open) map[string]map[string]Source {
	accounts := map[string]map[string]Source{}
	for name, c := range snapshot.Connections {
		if systems[c.System] != nil {
			accounts[name] = map[string]Source{}
		}
	}
	for name, s := range snapshot.Sources {
		f, err := feed.Get(s.Feed)
		if sources, ok := accounts[s.Connection]; ok && err == nil {
			src := FromDocument(s, f)
			src.RecountZone = snapshot.Connections[s.Connection].TimeZone
			sources[name] = src
		}
	}
	return accounts
}

// FromDocument returns the source that a document describes, on its feed.
func FromDocument(s flow.Source, f feed.Feed) Source {
	f = s.Tune(f)
	return Source{
		Name: s.Name, Connection: s.Connection, Feed: f, Request: f.Request, Start: s.Start,
		Settle: f.Window.Settle, Overlap: f.Window.Overlap, Slice: f.Window.Max, PageSize: f.Paging.Max,
		ByVersion: s.ByVersion, Every: s.Every, Cron: s.Cron, Zone: s.Zone,
		RecountCron: recountCron(s, f), RecountZone: f.Zone,
	}
}
