package natsconfig_test

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

var update = flag.Bool("update", false, "rewrite the committed configuration of NATS")

// forbidden are subjects that a role may not publish on; "" stands for every role.
var forbidden = map[string][]string{
	"": {
		"$JS.API.STREAM.DELETE.RAW", "$JS.API.STREAM.DELETE.KV_config", "$JS.API.STREAM.PURGE.RAW", "$JS.API.STREAM.PURGE.TARGET",
		"$JS.API.STREAM.PURGE.DEAD", "$JS.API.STREAM.PURGE.KV_links", "$JS.API.STREAM.MSG.DELETE.RAW", "$JS.API.STREAM.CREATE.MINE",
		"$JS.API.STREAM.SNAPSHOT.RAW", "$JS.API.STREAM.RESTORE.RAW", "$JS.API.STREAM.LEADER.STEPDOWN.RAW", "$JS.API.META.LEADER.STEPDOWN",
		"$JS.API.ACCOUNT.PURGE.ERPSTREAM", "$JS.API.CONSUMER.PAUSE.RAW.transformer-a", "$JS.API.CONSUMER.DURABLE.CREATE.RAW.mine",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "_INBOX_sink-mysql.forged", "_INBOX.forged", "anything",
		"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.TARGET.sink-mysql-bi",
	},
	"poller-jushuitan": {
		"raw.kingdee.materials.00", "raw.kis.units.00", "target.mysql.bi.f.00", "receipt.f.00", "parked.f.c.k", "dead.sink.f", "dead.transform.f",
		"$KV.config.flow.f", "$KV.links.kd.k", "$KV.positions.RAW.c", "$KV.reference.kd.k", "$KV.control.hold.f", "$KV.status.transformer.i.u",
		"$JS.API.STREAM.UPDATE.POLLS", "$JS.API.CONSUMER.CREATE.TARGET.mine", "$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-mysql-bi",
		"$JS.API.CONSUMER.DELETE.RAW.transformer-f", "$JS.API.CONSUMER.DELETE.POLLS.poller-kd", "$JS.API.CONSUMER.RESET.RAW.transformer-f",
		"$JS.API.CONSUMER.CREATE.RAW.transformer-f.raw.kingdee.materials.*", "$JS.ACK.RAW.transformer-f.1.2.3.4.5", "$JS.API.DIRECT.GET.KV_links.$KV.links.kd.k",
		"$JS.API.DIRECT.GET.TARGET", "$JS.API.DIRECT.GET.DEAD", "$JS.API.STREAM.PURGE.PARKED",
	},
	"poller-wangdiantong": {"raw.jushuitan.s.00", "$KV.tokens.jst", "$JS.API.DIRECT.GET.KV_tokens.$KV.tokens.jst"},
	"transformer": {
		"raw.jushuitan.s.00", "window.s", "poll.jst.s", "schedule.jst.s", "dead.sink.f", "$KV.config.flow.f", "$KV.tokens.jst", "$KV.links.kd.k",
		"$KV.reference.kd.k", "$KV.control.hold.f", "$KV.positions.RAW.transformer-f", "$KV.positions.alarm.a.b", "$KV.status.watchdog.i.u",
		"$JS.API.STREAM.PURGE.POLLS", "$JS.API.STREAM.UPDATE.PARKED", "$JS.ACK.TARGET.sink-mysql-bi.1.2.3.4.5", "$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-mysql-bi",
		"$JS.API.CONSUMER.DELETE.RAW.watchdog", "$JS.API.CONSUMER.DELETE.TARGET.sink-mysql-bi", "$JS.API.CONSUMER.RESET.TARGET.sink-mysql-bi",
		"$JS.API.DIRECT.GET.KV_tokens.$KV.tokens.jst", "$JS.API.DIRECT.GET.KV_links", "$JS.API.CONSUMER.CREATE.POLLS.mine",
	},
	"sink-mysql": {
		"target.mysql.bi.f.00", "raw.jushuitan.s.00", "window.s", "parked.f.c.k", "dead.transform.f", "dead.note.f", "$KV.config.flow.f", "$KV.links.kd.k",
		"$KV.tokens.kd", "$KV.reference.kd.k", "$KV.positions.TARGET.sink-mysql-bi", "$KV.control.hold.f", "$JS.API.STREAM.PURGE.PARKED", "$JS.API.STREAM.PURGE.POLLS",
		"$JS.API.CONSUMER.CREATE.TARGET.mine.target.kingdee.kd.>", "$JS.API.CONSUMER.CREATE.TARGET.mine", "$JS.API.CONSUMER.CREATE.RAW.mine.raw.>",
		"$JS.API.CONSUMER.DELETE.TARGET.sink-kingdee-kd", "$JS.API.CONSUMER.UNPIN.TARGET.sink-kingdee-kd", "$JS.API.DIRECT.GET.TARGET", "$JS.API.DIRECT.GET.RAW",
		"$JS.API.DIRECT.GET.KV_tokens.$KV.tokens.kd", "$JS.API.CONSUMER.CREATE.KV_tokens.mine.$KV.tokens.>", "$JS.ACK.RAW.transformer-f.1.2.3.4.5",
	},
	"sink-kingdee":   {"$KV.reference.kd.k", "$KV.config.connection.kd", "target.kingdee.kd.f.00", "$JS.API.CONSUMER.CREATE.TARGET.mine.target.kis.kis.>"},
	"sink-reference": {"$KV.links.kd.k", "$KV.tokens.kd", "target.reference.kd.f.00"},
	"sink-webhook":   {"$KV.links.kd.k", "$KV.tokens.kd", "target.webhook.hook.f.00", "$JS.API.CONSUMER.CREATE.TARGET.mine.target.mysql.bi.>"},
	"watchdog":       {"raw.jushuitan.s.00", "window.s", "target.mysql.bi.f.00", "receipt.f.00", "$KV.config.flow.f", "$KV.links.kd.k", "$KV.tokens.kd", "$KV.control.hold.f", "$JS.API.STREAM.PURGE.PARKED", "$JS.API.STREAM.UPDATE.RAW"},
	"operator":       {"raw.jushuitan.s.00", "window.s", "receipt.f.00", "schedule.jst.s", "event.info.k", "$KV.links.kd.k", "$KV.tokens.kd", "$KV.positions.RAW.c", "$JS.API.STREAM.UPDATE.RAW", "$JS.API.STREAM.PURGE.PARKED"},
	"provision":      {"raw.jushuitan.s.00", "poll.jst.s", "$KV.links.kd.k", "$KV.control.hold.f", "$JS.API.DIRECT.GET.KV_tokens.$KV.tokens.kd", "$JS.API.CONSUMER.CREATE.RAW.mine"},
	"backup":         {"raw.jushuitan.s.00", "poll.jst.s", "$KV.links.kd.k", "$KV.control.hold.f", "$JS.API.CONSUMER.CREATE.RAW.mine", "$JS.API.CONSUMER.DELETE.RAW.transformer-f"},
	"bi": {
		"raw.jushuitan.s.00", "$KV.status.bi.i.u", "$JS.API.DIRECT.GET.RAW", "$JS.API.STREAM.INFO.TARGET", "$JS.API.STREAM.INFO.KV_config",
		"$JS.API.DIRECT.GET.KV_config.$KV.config.connection.kd", "$JS.API.CONSUMER.CREATE.KV_config.mine.$KV.config.>", "$JS.API.CONSUMER.CREATE.RAW.transformer-f.raw.>",
		"$JS.API.CONSUMER.MSG.NEXT.RAW.transformer-f", "$JS.ACK.RAW.transformer-f.1.2.3.4.5", "$JS.API.CONSUMER.DELETE.RAW.transformer-f", "event.info.k",
	},
}

// replaces reports whether the role of backups may publish on a subject that nobody else may: it reads all there is
// and puts something else in its place.
func replaces(role, subject string) bool {
	rest, ok := strings.CutPrefix(subject, "$JS.API.STREAM.")
	verb, _, _ := strings.Cut(rest, ".")
	return ok && role == topology.RoleBackup && slices.Contains([]string{"CREATE", "UPDATE", "DELETE", "SNAPSHOT", "RESTORE"}, verb) && !strings.HasSuffix(subject, ".MINE")
}

// foreign are subjects that no role may subscribe to.
var foreign = []string{
	">", "*", "_INBOX.>", "_INBOX_other.>", "raw.>", "target.>", "window.*", "receipt.>", "$KV.>", "$KV.tokens.>", "$KV.config.>", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$SYS.>", "event.>",
}

// teams are all roles of any installation, a sink and a subscriber of other teams.
func teams(t *testing.T) []topology.Role {
	t.Helper()
	bi, err := topology.SubscriberRole("bi", topology.Raw, topology.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	return append(topology.Roles(topology.Scope{}), topology.SinkRole("webhook", topology.Scope{}), bi)
}

func TestWhatNobodyMayIsRefused(t *testing.T) {
	roles := teams(t)
	w := newWorld(t, natsconfig.Nkey, roles, login.Login{}, "")
	acts := 0
	for _, r := range roles {
		nc, err := w.dial(r.Name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		subjects := slices.Concat(forbidden[""], forbidden[r.Name])
		for _, subject := range subjects {
			if r.Name == "sink-mysql" && subject == "_INBOX_sink-mysql.forged" || replaces(r.Name, subject) {
				continue
			}
			acts++
			if !refused(t, nc, subject, func() error { return nc.Publish(subject, nil) }) {
				t.Errorf("%s may publish on %s", r.Name, subject)
			}
		}
		for _, subject := range foreign {
			acts++
			if !refused(t, nc, subject, func() error { _, err := nc.SubscribeSync(subject); return err }) {
				t.Errorf("%s may subscribe to %s", r.Name, subject)
			}
		}
		own := r.Subscribe[0]
		if refused(t, nc, own, func() error { _, err := nc.SubscribeSync(own); return err }) {
			t.Errorf("%s may not subscribe to its own inboxes %s", r.Name, own)
		}
	}
	t.Logf("%d acts of %d roles refused", acts, len(roles))
}

// TestNarrowedToTheConfiguration: with documents known, services of one kind are kept from one another's
// connections.
func TestNarrowedToTheConfiguration(t *testing.T) {
	set := flow.Set{
		Connections: map[string]flow.Connection{
			"jst": {Name: "jst", System: "jushuitan"}, "kd": {Name: "kd", System: "kingdee"}, "bi": {Name: "bi", System: "mysql"},
		},
		Sources: map[string]flow.Source{"receipts": {Name: "receipts", Connection: "jst"}},
		Flows: map[string]flow.Flow{
			"to-bi": {Name: "to-bi", From: "receipts", Target: flow.Target{Kind: "mysql", Connection: "bi"}},
			"to-kd": {Name: "to-kd", From: "receipts", Target: flow.Target{Kind: "kingdee", Connection: "kd"}},
		},
	}
	roles := topology.Roles(natsconfig.ScopeOf(set))
	w := newWorld(t, natsconfig.Nkey, roles, login.Login{}, "")
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
	}
	if got, want := strings.Join(names, " "), "poller-jushuitan transformer sink-kingdee sink-mysql watchdog operator provision backup"; got != want {
		t.Errorf("roles %s, want %s", got, want)
	}
	for role, subjects := range map[string]struct{ may, mayNot []string }{
		"poller-jushuitan": {
			[]string{"poll.jst.receipts", "raw.jushuitan.receipts.07", "window.receipts", "$JS.API.CONSUMER.MSG.NEXT.POLLS.poller-jst", "$KV.tokens.jst.turn"},
			[]string{"poll.kd.stores", "raw.jushuitan.other.07", "window.other", "$JS.API.CONSUMER.MSG.NEXT.POLLS.poller-kd", "$JS.API.CONSUMER.MSG.NEXT.POLLS.watchdog", "$KV.tokens.kd.turn", "$JS.ACK.POLLS.watchdog.1.2.3.4.5"},
		},
		"transformer": {
			[]string{"target.mysql.bi.to-bi.07", "$JS.ACK.RAW.transformer-to-bi.1.2.3.4.5", "receipt.to-bi.07"},
			[]string{"target.mysql.bi.other.07", "$JS.ACK.RAW.watchdog.1.2.3.4.5", "receipt.other.07", "$JS.API.CONSUMER.RESET.RAW.watchdog"},
		},
		"sink-mysql": {
			[]string{"$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-mysql-bi", "$JS.ACK.TARGET.sink-mysql-bi.1.2.3.4.5", "$JS.API.CONSUMER.CREATE.TARGET.sink-mysql-bi.target.mysql.bi.>"},
			[]string{"$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-kingdee-kd", "$JS.ACK.TARGET.sink-kingdee-kd.1.2.3.4.5", "$JS.API.CONSUMER.CREATE.TARGET.sink-kingdee-kd.target.mysql.bi.>", "$JS.API.CONSUMER.RESET.TARGET.sink-kingdee-kd"},
		},
	} {
		nc, err := w.dial(role)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		for _, subject := range subjects.may {
			if refused(t, nc, subject, func() error { return nc.Publish(subject, nil) }) {
				t.Errorf("%s may not publish on %s", role, subject)
			}
		}
		for _, subject := range subjects.mayNot {
			if !refused(t, nc, subject, func() error { return nc.Publish(subject, nil) }) {
				t.Errorf("%s may publish on %s", role, subject)
			}
		}
	}
}

// TestFewMayMuch names those who may do what can't be undone.
func TestFewMayMuch(t *testing.T) {
	may := map[string][]string{}
	for _, r := range teams(t) {
		for _, subject := range r.Publish {
			if replaces(r.Name, subject) {
				continue
			}
			for _, verb := range []string{"STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE"} {
				if stream, ok := strings.CutPrefix(subject, "$JS.API."+verb+"."); ok && (verb != "STREAM.CREATE" && verb != "STREAM.UPDATE" || r.Name != topology.RoleProvision) {
					may[verb] = append(may[verb], r.Name+" "+stream)
				}
			}
			for _, stream := range []string{topology.Raw, topology.Target, topology.Polls, topology.Advisories} {
				if strings.HasPrefix(subject, "$JS.API.CONSUMER.DELETE."+stream+".") {
					may["CONSUMER.DELETE"] = append(may["CONSUMER.DELETE"], r.Name+" "+stream)
				}
			}
			if strings.Contains(subject, "$SYS") || subject == ">" || strings.HasPrefix(subject, "*") {
				t.Errorf("%s may publish on %s", r.Name, subject)
			}
		}
	}
	pollers := []string{"poller-jushuitan POLLS", "poller-kingdee POLLS", "poller-wangdiantong POLLS"}
	want := map[string][]string{
		"STREAM.PURGE":      append(slices.Clone(pollers), "transformer PARKED", "watchdog POLLS"),
		"STREAM.MSG.DELETE": append(slices.Clone(pollers), "transformer PARKED", "operator PARKED"),
		"CONSUMER.DELETE":   {"watchdog RAW", "watchdog TARGET", "operator ADVISORIES", "operator POLLS", "operator RAW", "operator TARGET"},
	}
	for _, verb := range []string{"STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "CONSUMER.DELETE"} {
		if !slices.Equal(may[verb], want[verb]) {
			t.Errorf("%s: %q, want %q", verb, may[verb], want[verb])
		}
	}
}
