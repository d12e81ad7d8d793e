package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// nobody is a name that no stream, consumer, flow or source has.
const nobody = "erpstream-doctor"

// Services are the identities whose permissions can be looked at.
func Services() []string {
	var names []string
	for _, r := range topology.Roles(topology.Scope{}) {
		names = append(names, r.Name)
	}
	return names
}

// roleOf returns a role by its name, that of another team's sink too.
func roleOf(name string, scope topology.Scope) (topology.Role, bool) {
	roles := topology.Roles(scope)
	if i := slices.IndexFunc(roles, func(r topology.Role) bool { return r.Name == name }); i >= 0 {
		return roles[i], true
	}
	kind, ok := strings.CutPrefix(name, "sink-")
	return topology.SinkRole(kind, scope), ok && topology.CheckName(kind) == nil
}

// CheckService refuses a name that is none of Services and of no sink.
func CheckService(name string) error {
	if _, ok := roleOf(name, topology.Scope{}); !ok {
		return fmt.Errorf("there is no service %s: it is one of %s, or sink-KIND", name, strings.Join(Services(), ", "))
	}
	return nil
}

// scopeWait bounds the wait for the documents, which a user that may not read them never gets.
const scopeWait = 5 * time.Second

// scope is what the applied documents have: an identity need not do more. Every service may read them.
func (e *examination) scope(ctx context.Context) topology.Scope {
	ctx, cancel := context.WithTimeout(ctx, scopeWait)
	defer cancel()
	stored, err := flow.Load(ctx, e.js)
	if err != nil {
		return topology.Scope{}
	}
	return natsconfig.ScopeOf(stored.Set)
}

// subjects are those on which the service that is looked at publishes, or the operator: with names that nothing
// has where the topology leaves them open.
func (e *examination) subjects(ctx context.Context) []string {
	name := cmp.Or(e.Service, topology.RoleOperator)
	role, ok := roleOf(name, e.scope(ctx))
	if !ok { // no document needs it
		role, _ = roleOf(name, topology.Scope{})
	}
	var all []string
	for _, subject := range role.Publish {
		tokens := strings.Split(subject, ".")
		for i, token := range tokens {
			if token == "*" || token == ">" {
				tokens[i] = nobody
			}
		}
		all = append(all, strings.Join(tokens, "."))
	}
	return all
}

// permissions tries what an identity does, in a way that the server refuses whoever may do it: messages for
// a stream of another name, requests that are none and ask for a server of the far future.
func (e *examination) permissions(ctx context.Context, seen *violations) {
	subjects := e.subjects(ctx)
	seen.expect(subjects)
	who := cmp.Or(e.Service, topology.RoleOperator)
	var denied []string
	for _, subject := range subjects {
		may, err := mayPublish(ctx, e.js.Conn(), subject)
		if err != nil {
			e.found("permissions", probe.Fail, "try %s: %v", subject, err)
			return
		}
		if !may {
			denied = append(denied, subject)
		}
	}
	var faults []fault
	if len(denied) > 0 {
		faults = append(faults, fails("this user may not publish on %s, which %s does: load what `erpstream nats-config` writes into NATS, or look with the credentials of %s",
			strings.Join(denied, ", "), who, who))
	}
	e.sum("permissions", fmt.Sprintf("this user may do what %s does (%d subjects tried)", who, len(subjects)), faults)
}

// pongWait bounds the wait for the server to say that it has had a look at what was published.
const pongWait = 10 * time.Second

// noRequest is what no request of JetStream can be read from.
const noRequest = "{"

// mayPublish publishes what the server refuses for what it is, and reports whether it refuses it for the
// subject already. The server says that before it answers the ping behind it.
func mayPublish(ctx context.Context, nc *nats.Conn, subject string) (bool, error) {
	msg := nats.NewMsg(subject)
	msg.Data = []byte(noRequest)
	if strings.HasPrefix(subject, "$JS.") {
		msg.Header.Set(server.JSRequiredApiLevel, strconv.Itoa(math.MaxInt32))
	} else {
		msg.Header.Set(jetstream.ExpectedStreamHeader, nobody)
	}
	if err := nc.PublishMsg(msg); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, pongWait) // without an end the client refuses to wait
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		return false, err
	}
	err := nc.LastError()
	return !errors.Is(err, nats.ErrPermissionViolation) || subjectOf(err) != subject, nil
}

// violations are what the server said that this user may not do.
type violations struct {
	nc     *nats.Conn
	before nats.ErrHandler

	mu       sync.Mutex
	subjects map[string]string
	expected []string
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// subjectOf is the subject that a violation is about.
func subjectOf(err error) string {
	if m := quoted.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return err.Error()
}

// watch begins to hear of violations on a connection.
func watch(nc *nats.Conn) *violations {
	v := &violations{nc: nc, before: nc.Opts.AsyncErrorCB, subjects: map[string]string{}}
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrPermissionViolation) {
			return
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.subjects[subjectOf(err)] = err.Error()
	})
	return v
}

func (v *violations) stop() { v.nc.SetErrorHandler(v.before) }

// expect says that violations of subjects are told of elsewhere.
func (v *violations) expect(subjects []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expected = subjects
}

// refused tells of all else that this user may not do.
func (e *examination) refused(v *violations) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, subject := range slices.Sorted(maps.Keys(v.subjects)) {
		if !slices.Contains(v.expected, subject) {
			e.found("permissions", probe.Fail, "%s", v.subjects[subject])
		}
	}
}
