package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
)

// drainGrace bounds the end of the connection: what was published goes out, then it closes.
const drainGrace = 3 * time.Second

var (
	errNoAnswer = errors.New("no answer yet")
	errRefused  = errors.New("connection refused")
	errClosed   = errors.New("the NATS connection was closed")
)

// link is the connection to NATS with its state kept in Health.
type link struct {
	svc      *Service
	urls     string // as operators may see them
	nc       *nats.Conn
	up       chan struct{} // closed when connected for the first time
	gone     chan struct{} // closed when closed
	onClose  func(error)
	statuses chan nats.Status
	watcher  sync.WaitGroup
	faults   sparse

	stopping atomic.Bool

	mu   sync.Mutex
	last error // why the last attempt did not work
}

// dial starts to connect and returns at once; attempts go on for ever. onClose is told why when nothing
// reconnects: the connection was closed by anyone but stop, or the identity is another one.
func dial(set natsSettings, svc *Service, onClose func(error)) (*link, error) {
	l := &link{svc: svc, urls: set.shown, up: make(chan struct{}), gone: make(chan struct{})}
	svc.Health.quietly("nats", l.missing())
	l.onClose = onClose
	who, err := set.Options(l.unread)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(set.url, append(l.options(), who...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", l.urls, err)
	}
	l.nc = nc
	// The handlers are not told of an attempt that fails after the TCP connection stands (wrong
	// credentials, TLS) before the first success; the status is.
	l.statuses = l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	l.watcher.Go(func() {
		for range l.statuses {
			l.report(l.nc, l.nc.LastError())
		}
	})
	return l, nil
}

func (l *link) options() []nats.Option {
	return []nats.Option{
		nats.Name(l.svc.Name + "/" + l.svc.Instance),
		nats.CustomInboxPrefix(topology.InboxPrefix(l.svc.Name)),
		nats.Timeout(answerWithin),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be put right while we wait
		nats.ReconnectWait(time.Second),
		nats.ReconnectJitter(time.Second, time.Second),
		nats.PingInterval(20 * time.Second),
		nats.MaxPingsOutstanding(2),                 // a dead peer is noticed within a minute
		nats.DrainTimeout(drainGrace - time.Second), // a second for the last flush
		nats.ConnectHandler(func(nc *nats.Conn) { l.report(nc, nil); l.exposed(nc); close(l.up) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { l.report(nc, nil); l.exposed(nc) }),
		nats.DisconnectErrHandler(l.report),
		nats.ReconnectErrHandler(l.report),
		nats.ErrorHandler(l.complain),
		nats.ClosedHandler(func(*nats.Conn) { l.closed() }),
	}
}

// unread hears of files that can't be used when they are read again. A service whose nkey is another one
// now ends, to be started again with that.
func (l *link) unread(err error) {
	if l.faults.allow(err.Error()) {
		l.svc.Log.Error("the identity on NATS can't be renewed", "err", err)
	}
	if errors.Is(err, login.ErrOtherKey) {
		l.onClose(err)
	}
}

// exposed warns of a connection that others can read.
func (l *link) exposed(nc *nats.Conn) {
	if address := login.Exposed(nc); address != "" && l.faults.allow("exposed"+address) {
		l.svc.Log.Warn("the connection to NATS is not encrypted: what goes over it, the password too, can be read and changed on the way; have the server offer TLS, and write tls:// in NATS_URL",
			"server", address)
	}
}

// report brings Health up to date. It looks at the connection instead of believing the event,
// which may be late.
func (l *link) report(nc *nats.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopping.Load():
	case nc.IsConnected():
		l.last = nil
		l.svc.Health.Set("nats", nil)
	default:
		if errors.Is(err, nats.ErrNoServers) { // of the first attempt; the next says more
			err = errRefused
		}
		l.last = cmp.Or(err, l.last)
		l.svc.Health.Set("nats", l.missing())
	}
}

// missing says what stands between us and NATS.
func (l *link) missing() error {
	return fmt.Errorf("connecting to %s: %w", l.urls, cmp.Or(l.last, errNoAnswer))
}

// complain logs what the server or client says about a connection that stands, such as a missing
// permission; otherwise it is a reason why there is none.
func (l *link) complain(nc *nats.Conn, sub *nats.Subscription, err error) {
	if !nc.IsConnected() {
		l.report(nc, err)
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	if l.faults.allow(subject + err.Error()) {
		l.svc.Log.Warn("nats", "subject", subject, "err", err)
	}
}

func (l *link) closed() {
	close(l.gone)
	if !l.stopping.Load() {
		l.svc.Health.Set("nats", errClosed)
		l.onClose(errClosed)
	}
}

// wait returns when the connection stood for the first time, or with the context's error.
func (l *link) wait(ctx context.Context) error {
	select {
	case <-l.up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop drains and closes the connection, for a few seconds at most: a network that hangs is left
// behind when the process ends.
func (l *link) stop() {
	l.stopping.Store(true)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		l.drain()
	}()
	timer := time.NewTimer(drainGrace)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
		l.svc.Log.Warn("the NATS connection did not drain in time", "waited", drainGrace.String())
	}
}

func (l *link) drain() {
	if l.nc.Drain() == nil {
		<-l.gone
	}
	l.nc.Close()
	l.nc.RemoveStatusListener(l.statuses)
	l.watcher.Wait()
}
