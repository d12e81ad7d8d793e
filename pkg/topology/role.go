package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Role is one identity on NATS: a service, an operator's tool, or a program of another team, with all that
// it needs and no more. JetStream's own limits: reading a stream by sequence is a right on all of it, and
// whoever may make consumers under any name there may change those of others.
type Role struct {
	// Name is that of the service, which its user has too.
	Name string
	// Purpose says what it is for, in a few words.
	Purpose string
	// Publish are the subjects that it may publish on, Subscribe those that it may subscribe to: its own
	// inboxes.
	Publish, Subscribe []string
}

// Names of the identities that are no service.
const (
	// RoleProvision makes streams and buckets, and applies the configuration: the job that runs before all
	// services.
	RoleProvision = "provision"
	// RoleOperator does what the command line does.
	RoleOperator = "operator"
	// RoleNack makes streams and buckets from Kubernetes resources: NACK, where it runs in the place of RoleProvision.
	RoleNack = "nack"
	// RoleBackup reads all there is into a backup, and puts a backup in the place of all there is.
	RoleBackup = "backup"
)

// Command is the program of operators. RoleProvision, RoleOperator and RoleBackup are ways of running it.
const Command = "erpstream"

// InboxPrefix is what the inboxes of a program begin with: answers to it are nobody else's to read.
func InboxPrefix(program string) string { return "_INBOX_" + program }

// Scope names what an installation has, so that roles may do nothing beyond that. A scope without
// connections stands for any installation: names are then left open wherever the server needs them.
type Scope struct {
	// Polled are the connections that are polled and Sources the sources, by system; Written are the
	// connections that flows write to, by kind of sink.
	Polled, Sources, Written map[string][]string
	Flows                    []string
}

func (s Scope) open() bool { return len(s.Polled)+len(s.Written) == 0 }

// anyName stands for all names where a scope is open.
var anyName = []string{"*"}

// of are names of a scope, or any.
func (s Scope) of(byKind map[string][]string, kinds ...string) []string {
	if s.open() {
		return anyName
	}
	var names []string
	for _, kind := range kinds {
		names = append(names, byKind[kind]...)
	}
	return names
}

// named makes a name of each; any stays any, for a part of a token can't be left open.
func named(names []string, name func(string) string) []string {
	var all []string
	for _, n := range names {
		if n != "*" {
			n = name(n)
		}
		all = append(all, n)
	}
	return all
}

// Roles are those of all services of an installation, of its Job and its operators.
func Roles(s Scope) []Role {
	var roles []Role
	for _, systems := range [][]string{{"jushuitan"}, {"kingdee", "kis"}, {"wangdiantong"}} {
		if len(s.of(s.Polled, systems...)) > 0 {
			roles = append(roles, poller(s, systems))
		}
	}
	roles = append(roles, transformer(s))
	kinds := []string{"kingdee", "kis", "mysql", "reference"}
	if !s.open() {
		kinds = slices.Sorted(maps.Keys(s.Written))
	}
	for _, kind := range kinds {
		roles = append(roles, SinkRole(kind, s))
	}
	return append(roles, watchdog(), operator(), provision(), backup())
}

// Program is the one that runs as a role: a service by that name, or the command.
func Program(role string) string {
	switch role {
	case RoleProvision, RoleOperator, RoleBackup:
		return Command
	default:
		return role
	}
}

// role is one with the inboxes of its program.
func role(name, purpose string, g grants) Role {
	return Role{Name: name, Purpose: purpose, Publish: g.sorted(), Subscribe: []string{InboxPrefix(Program(name)) + ".>"}}
}

// service is what every service does: it follows the configuration, says how it is, and tells operators.
func service(name string) grants {
	var g grants
	g.watch(BucketConfig, ">")
	g.put(BucketStatus, name+".>")
	g.add(EventSubject("*", "*"))
	return g
}

// poller works off the queues of its connections. Ticks that wait are found, done and taken out between the
// calls of a job; schedules are purged when their source is changed. It is named for the first system.
func poller(s Scope, systems []string) Role {
	name := "poller-" + systems[0]
	g := service(name)
	for _, c := range s.of(s.Polled, systems...) {
		g.durable(Polls, named([]string{c}, PollerConsumer), []string{PollFilter(c)})
		g.add(PollSubject(c, "*"), ScheduleSubject(c, "*"))
		g.last(Polls, ScheduleSubject(c, "*"))
		if name != "poller-wangdiantong" { // which signs each call and has no session
			g.sessions(c)
		}
	}
	g.get(Polls)
	g.add(api+"STREAM.PURGE."+Polls, api+"STREAM.MSG.DELETE."+Polls)

	g.get(Raw)
	for _, system := range systems {
		for _, source := range s.of(s.Sources, system) {
			g.add(RawFilter(system, source), WindowSubject(source))
			g.last(Raw, WindowSubject(source))
			g.glance(Raw, RawFilter(system, source))
		}
	}
	return role(name, "reads "+strings.Join(systems, " and ")+" into "+Raw, g)
}

// sessions lets replicas share the session of an account.
func (g *grants) sessions(connection string) {
	keys := []string{connection, connection + ".>"}
	g.keep(BucketTokens, keys...)
	g.watch(BucketTokens, keys...)
}

func transformer(s Scope) Role {
	const name = "transformer"
	g := service(name)
	flows := s.of(map[string][]string{name: s.Flows}, name)
	consumers := named(flows, TransformerConsumer)
	g.durable(Raw, consumers, []string{RawFilter("*", "*")})
	g.resumed(Raw, consumers)
	for _, flow := range flows {
		g.add(
			TargetFlowFilter(flow), ParkedFilter(flow), ReceiptFilter(flow),
			DeadSubject("transform", flow), DeadNoteSubject(flow), // those of a replay of the past
		)
		g.put(BucketControl, "replay."+flow+".*")
		g.put(BucketUnique, flow+".*")
		g.keep(BucketPositions, "warned."+flow+".*")
	}
	g.add(api + "CONSUMER.INFO." + Target + ".*") // whether the sink is free for a replay
	g.get(Raw)
	g.glance(Raw, "raw.*.*.*")
	g.get(Parked)
	g.read(Parked, ReplaySubject("*"))
	g.add(api+"STREAM.PURGE."+Parked, api+"STREAM.MSG.DELETE."+Parked) // records that go on
	g.get(Dead)
	g.read(Dead, DeadFilter("", "*"), DeadNoteFilter(""))
	g.read(Events)
	g.watch(BucketControl)
	g.look(BucketControl, "replay.*.*")
	g.get(BucketStream(BucketUnique))
	g.read(BucketStream(BucketReference), key(BucketReference, ">"))
	return role(name, "maps records to target messages", g)
}

// SinkRole is the role of a sink of any kind, another team's too. Links and sessions are of no use to a
// sink that writes what can be written twice.
func SinkRole(kind string, s Scope) Role {
	name := "sink-" + kind
	g := service(name)
	g.info(Target)
	for _, c := range s.of(s.Written, kind) {
		consumers := named([]string{c}, func(c string) string { return SinkConsumer(kind, c) })
		g.durable(Target, consumers, []string{"target." + kind + "." + c + ".>"})
		g.resumed(Target, consumers)
		switch kind {
		case "mysql":
		case "reference":
			g.put(BucketReference, c+".>")
		case "kingdee", "kis":
			g.alone(Target, consumers)
			g.keep(BucketLinks, c+".>")
			g.look(BucketLinks, DoubtKey)
			g.sessions(c)
		default:
			g.alone(Target, consumers)
		}
	}
	if kind == "reference" {
		g.get(BucketStream(BucketReference))
	}
	g.add(DeadSubject("sink", "*"), ReceiptFilter("*"))
	return role(name, "writes target messages of kind "+kind, g)
}

// SubscriberRole is the role of a program of another team that reads streams, through consumers whose names begin
// with its own, and changes nothing. The streams are those that hold what teams may read.
func SubscriberRole(name string, streams ...string) (Role, error) {
	if err := CheckName(name); err != nil {
		return Role{}, err
	}
	open := []string{Raw, Target, Receipts, Ledger, Events}
	var g grants
	for _, stream := range streams {
		if !slices.Contains(open, stream) {
			return Role{}, fmt.Errorf("stream %s is not one that other teams read: there are %s", stream, strings.Join(open, ", "))
		}
		g.durable(stream, []string{name}, nil)
		g.add(api + "CONSUMER.CREATE." + stream + "." + name + ".>")
	}
	if len(streams) == 0 {
		return Role{}, fmt.Errorf("subscriber %s reads no stream: name one of %s", name, strings.Join(open, ", "))
	}
	return role(name, "reads "+strings.Join(streams, ", "), g), nil
}

// watchdog mends: it sets consumers back, makes them anew, and buries what others gave up.
func watchdog() Role {
	const name = "watchdog"
	g := service(name)
	own := []string{WatchdogConsumer}
	g.durable(Polls, own, []string{WatchTick})
	g.alone(Polls, own)
	g.durable(Raw, own, []string{RawFilter("*", "*")})
	g.durable(Advisories, own, nil)
	for _, stream := range []string{Polls, Raw, Advisories} {
		g.resumed(stream, own)
	}
	g.get(Polls)
	g.last(Polls, ScheduleSubject("*", "*"))
	g.add(ScheduleSubject("*", "*"), api+"STREAM.PURGE."+Polls, api+"CONSUMER.INFO."+Polls+".*")
	g.last(Raw, WindowSubject("*"))
	for _, stream := range []string{Raw, Target} {
		g.get(stream)
		g.add(api+"CONSUMER.INFO."+stream+".*", api+"CONSUMER.RESET."+stream+".*", api+"CONSUMER.DELETE."+stream+".*")
	}
	g.accounts()
	g.watch(BucketStatus, ">")
	g.watch(BucketControl, "hold.*")
	g.keep(BucketShapes, "*")
	g.keep(BucketPositions, ">")
	g.add(DeadSubject("transform", "*"), DeadSubject("sink", "*"))
	return role(name, "sees that nothing stands still or is lost", g)
}

// accounts lets the records of all flows be accounted for.
func (g *grants) accounts() {
	g.glance(Target, TargetFlowFilter("*"))
	g.create(Target+".*", nil)
	g.last(Raw, WindowSubject("*"))
	for _, stream := range []string{Ledger, Receipts, Dead, Parked} {
		g.read(stream)
		g.create(stream+".*", []string{">"})
	}
	g.get(Raw)
	g.get(Dead)
	g.watch(BucketConfig, ">")
}

// operator does all that the commands do but provision: it sees all, and writes configuration, jobs and
// what is done with letters. It neither makes nor deletes nor purges a stream.
func operator() Role {
	var g grants
	g.add(api + "INFO")
	for _, config := range Streams(1) {
		stream := config.Name
		g.get(stream)
		g.last(stream, ">")
		g.read(stream)
		g.create(stream+".*", []string{">"})
		g.add(api + "CONSUMER.LIST." + stream)
	}
	for _, bucket := range buckets() {
		g.watch(strings.TrimPrefix(bucket.Name, bucketPrefix), ">")
	}
	g.add(
		PollSubject("*", "*"),               // poll, backfill, recount
		"target.*.*.*.*", ParkedFilter("*"), // letters and parked records that go on
		DeadFilter("", ""),              // notes, and edited letters
		api+"STREAM.MSG.DELETE."+Parked, // records that a person lets go on
		key(BucketConfig, ">"), key(BucketControl, ">"), key(BucketShapes, "*"),
	)
	return role(RoleOperator, "does what the commands do", g)
}

// provision makes and changes streams, and applies the configuration. It deletes and purges nothing.
func provision() Role {
	g := streamMaker()
	g.watch(BucketConfig, ">")
	g.put(BucketConfig, ">")
	return role(RoleProvision, "makes the streams and applies the configuration", g)
}

// NackRole is the role of NACK, whose client can't name its inboxes: they are the default ones, which no other role has.
func NackRole() Role {
	g := streamMaker()
	return Role{Name: RoleNack, Purpose: "makes the streams from resources", Publish: g.sorted(), Subscribe: []string{"_INBOX.>"}}
}

// streamMaker lets all streams and buckets be made and changed.
func streamMaker() grants {
	var g grants
	g.add(api + "INFO")
	for _, config := range Streams(1) {
		g.info(config.Name)
		g.add(api+"STREAM.CREATE."+config.Name, api+"STREAM.UPDATE."+config.Name)
	}
	return g
}

// backup makes backups and brings them back. Whoever has it may replace everything.
func backup() Role {
	var g grants
	g.add(api + "INFO")
	for _, config := range Streams(1) {
		stream := config.Name
		g.get(stream)
		for _, verb := range []string{"STREAM.SNAPSHOT.", "STREAM.RESTORE.", "STREAM.CREATE.", "STREAM.UPDATE.", "STREAM.DELETE.", "STREAM.MSG.GET.", "CONSUMER.LIST."} {
			g.add(api + verb + stream)
		}
		g.add("$JS.SNAPSHOT.ACK."+stream+".*", "$JS.SNAPSHOT.RESTORE."+stream+".*")
	}
	g.watch(BucketConfig, ">")
	g.keep(BucketLinks, DoubtKey)
	return role(RoleBackup, "makes backups and brings them back", g)
}
