package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
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
	statuses chan nats.Status
	watcher  sync.WaitGroup
	faults   sparse

	stopping atomic.Bool

	mu   sync.Mutex
	last error // why the last attempt did not work
}

// dial starts to connect and returns at once; attempts go on for ever. onClose is called when the
// connection was closed by anyone but stop: nothing reconnects that.
func dial(set natsSettings, svc *Service, onClose func()) (*link, error) {
	l := &link{svc: svc, urls: set.shown, up: make(chan struct{}), gone: make(chan struct{})}
	svc.Health.quietly("nats", l.missing())
	nc, err := nats.Connect(set.url, append(l.options(onClose), l.identity(set)...)...)
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

func (l *link) options(onClose func()) []nats.Option {
	return []nats.Option{
		nats.Name(l.svc.Name + "/" + l.svc.Instance),
		nats.CustomInboxPrefix("_INBOX_" + l.svc.Name),
		nats.Timeout(answerWithin),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be put right while we wait
		nats.ReconnectWait(time.Second),
		nats.ReconnectJitter(time.Second, time.Second),
		nats.PingInterval(20 * time.Second),
		nats.MaxPingsOutstanding(2),                 // a dead peer is noticed within a minute
		nats.DrainTimeout(drainGrace - time.Second), // a second for the last flush
		nats.ConnectHandler(func(nc *nats.Conn) { l.report(nc, nil); close(l.up) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { l.report(nc, nil) }),
		nats.DisconnectErrHandler(l.report),
		nats.ReconnectErrHandler(l.report),
		nats.ErrorHandler(l.complain),
		nats.ClosedHandler(func(*nats.Conn) { l.closed(onClose) }),
	}
}

// identity returns who the service is to the server. All files are read again at each connect.
func (l *link) identity(set natsSettings) (options []nats.Option) {
	if set.creds != "" {
		options = append(options, nats.UserCredentials(set.creds))
	}
	if set.user != "" {
		options = append(options, nats.UserInfoHandler(func() (string, string) {
			b, err := os.ReadFile(set.passwordFile)
			if err != nil && l.faults.allow(err.Error()) {
				l.svc.Log.Error("read NATS_PASSWORD_FILE", "err", err)
			}
			return set.user, strings.TrimRight(string(b), "\r\n")
		}))
	}
	if set.ca != "" {
		options = append(options, nats.RootCAs(set.ca))
	}
	if set.cert != "" {
		options = append(options, nats.ClientCert(set.cert, set.key))
	}
	return options
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

func (l *link) closed(onClose func()) {
	close(l.gone)
	if !l.stopping.Load() {
		l.svc.Health.Set("nats", errClosed)
		onClose()
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
