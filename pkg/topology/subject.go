// Package topology is the only place that names streams, subjects, buckets and headers, and the
// only one that creates them.
package topology

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
)

// Partitions is how many parts a subject's keys are spread over.
const Partitions = 64

// Partition returns the two digits that stand for a key in a subject: FNV-1a 32 of the key mod
// Partitions, the number that the server's own partition() gives.
func Partition(key string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	p := byte(h.Sum32() % Partitions)
	return string([]byte{'0' + p/10, '0' + p%10})
}

// RawSubject is where a record of a source is published.
func RawSubject(system, source, key string) string {
	return "raw." + system + "." + source + "." + Partition(key)
}

// RawFilter matches all records of a source.
func RawFilter(system, source string) string { return "raw." + system + "." + source + ".*" }

// WindowSubject is where the closed windows of a source are published; the last one is its cursor.
func WindowSubject(source string) string { return "window." + source }

// TargetSubject is where a target message is published.
func TargetSubject(kind, connection, flow, key string) string {
	return "target." + kind + "." + connection + "." + flow + "." + Partition(key)
}

// TargetFilter matches all target messages of a connection, of any connection when it is empty.
func TargetFilter(kind, connection string) string {
	if connection == "" {
		return "target." + kind + ".>"
	}
	return "target." + kind + "." + connection + ".>"
}

// TargetFlowFilter matches all target messages of a flow.
func TargetFlowFilter(flow string) string { return "target.*.*." + flow + ".*" }

// TargetPartition matches the target messages of a flow whose keys share a partition with the key.
func TargetPartition(flow, key string) string { return "target.*.*." + flow + "." + Partition(key) }

// PollSubject is where ticks and backfill jobs of a source are queued.
func PollSubject(connection, source string) string { return "poll." + connection + "." + source }

// PollFilter matches all jobs of a connection.
func PollFilter(connection string) string { return "poll." + connection + ".*" }

// ScheduleSubject is where the schedule of a source is kept.
func ScheduleSubject(connection, source string) string {
	return "schedule." + connection + "." + source
}

// DeadSubject is where dead letters of a stage ("transform", "sink") of a flow are published.
func DeadSubject(stage, flow string) string { return "dead." + stage + "." + flow }

// DeadNoteSubject is where it is noted what was done with dead letters of a flow. No stage has that name,
// so DeadSubject never means a note.
func DeadNoteSubject(flow string) string { return "dead.note." + flow }

// DeadNoteFilter matches the notes of a flow, of any flow when it is empty.
func DeadNoteFilter(flow string) string { return DeadNoteSubject(cmp.Or(flow, "*")) }

// DeadFilter matches the dead letters of a stage and a flow, either of which may be empty for any. Where
// the stage is, it matches notes too.
func DeadFilter(stage, flow string) string { return DeadSubject(cmp.Or(stage, "*"), cmp.Or(flow, "*")) }

// IsDeadNote reports whether a subject on DEAD is that of notes.
func IsDeadNote(subject string) bool { return strings.HasPrefix(subject, "dead.note.") }

// ReplaySubject is where records of a flow are put in PARKED that wait for nothing: they come from dead
// letters and are to be mapped anew at once. The last part is none that stands for master data.
func ReplaySubject(flow string) string { return ParkedSubject(flow, "replay", "dead") }

// ParkedSubject is where the records of a flow that wait for one piece of master data are parked. key
// stands for that piece within its collection; it is one token.
func ParkedSubject(flow, collection, key string) string {
	return "parked." + flow + "." + strings.ReplaceAll(collection, ".", "_") + "." + key
}

// QualitySubject is where the records of a flow wait that a quality rule holds.
func QualitySubject(flow, rule string) string { return ParkedSubject(flow, "quality", RuleToken(rule)) }

// RuleToken stands for the name of a quality rule in subjects and keys: the name itself where it does as
// one, else a hash of it.
func RuleToken(rule string) string {
	if CheckName(rule) == nil {
		return rule
	}
	sum := sha256.Sum256([]byte(rule))
	return hex.EncodeToString(sum[:8])
}

// UniqueKey is the key in the bucket "unique" of a value that one document of a flow alone may have. The
// value itself, which may be personal, is not in it.
func UniqueKey(flow, field, value string) string {
	sum := sha256.Sum256([]byte(field + "\x00" + value))
	return flow + "." + hex.EncodeToString(sum[:16])
}

// WarnedKey is the key in the bucket "positions" of what was said of records of a flow that break a
// quality rule and went on.
func WarnedKey(flow, rule string) string { return "warned." + flow + "." + RuleToken(rule) }

// ParkedFilter matches all parked records of a flow.
func ParkedFilter(flow string) string { return "parked." + flow + ".>" }

// ReceiptSubject is where outcomes of a flow's records are published.
func ReceiptSubject(flow, key string) string { return "receipt." + flow + "." + Partition(key) }

// ReceiptFilter matches all outcomes of a flow's records.
func ReceiptFilter(flow string) string { return "receipt." + flow + ".*" }

// EventSubject is where an event for operators is published.
func EventSubject(severity, kind string) string { return "event." + severity + "." + kind }

// Where the server says that a message was delivered as often as its consumer allows, and that a
// consumer's client ended one; both go on with .<stream>.<consumer>.
const (
	AdvisoryMaxDeliveries = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES"
	AdvisoryTerminated    = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED"
)

// WatchSchedule is where the watchdog's own schedule is kept, WatchTick where its ticks are queued. No
// connection has that name.
const (
	WatchSchedule = "schedule._watchdog.look"
	WatchTick     = "poll._watchdog.look"
)

const nameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"

// CheckName refuses what can't be a token of a subject or a key of a bucket: names are lower
// case letters, digits and hyphens, at most 64, beginning with a letter.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("name is empty")
	case len(name) > 64:
		return fmt.Errorf("name %q is longer than 64 characters", name)
	case name[0] < 'a' || name[0] > 'z':
		return fmt.Errorf("name %q must begin with a lower case letter", name)
	case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(nameLetters, r) }):
		return fmt.Errorf("name %q may hold lower case letters, digits and hyphens only", name)
	default:
		return nil
	}
}
