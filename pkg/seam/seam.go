// Package seam marks the points between two steps at which a crash is worst. A program that is
// built with the tag chaos kills itself at a seam that was armed; in every other build a seam is
// nothing at all.
//
// To arm a seam, put a file with its name into the folder that ERPSTREAM_SEAMS names; with a dot and
// a service behind the name (sink-written.sink-mysql) only that service dies there. The process that
// removes the file dies by SIGKILL, at once: one file is one death.
package seam

// Name names a seam.
type Name string

// The seams of a poller.
const (
	// PollRead: a window was read and proved, nothing is published. It must be read again.
	PollRead Name = "poll-read"
	// PollStep: a part of a window that is larger than one batch is in RAW, and the cursor has not moved.
	// The rest must follow, and what is there must not be published twice.
	PollStep Name = "poll-step"
	// PollCommitted: records and window are in RAW, the job that asked for them is not acknowledged. It
	// comes again, and must find nothing to do.
	PollCommitted Name = "poll-committed"
	// PollQueued: the rest of a long job was queued, the job itself is not acknowledged. Both are done;
	// the second must find nothing to do.
	PollQueued Name = "poll-queued"
	// PollDone: a job was done and is not acknowledged. The connection must not stand still for longer
	// than the server waits for a sign of life.
	PollDone Name = "poll-done"
)

// The seams of the transformer.
const (
	// TransformPublished: target messages are in TARGET, their records are not acknowledged. They are
	// mapped again, and must not be in TARGET twice.
	TransformPublished Name = "transform-published"
	// TransformParked: records are in PARKED and not acknowledged. They must be there once, and go on.
	TransformParked Name = "transform-parked"
	// TransformBooked: the receipts of records that a flow leaves out are stored, the records are not
	// acknowledged. They must count once.
	TransformBooked Name = "transform-booked"
	// TransformBuried: a record is in DEAD and not terminated. It must be there once.
	TransformBuried Name = "transform-buried"
	// TransformSettling: one record of a batch is settled, the others are not.
	TransformSettling Name = "transform-settling"
	// ReleasePublished: what came of parked records is stored, they are still in PARKED. They are released
	// again, and must not be in TARGET twice.
	ReleasePublished Name = "release-published"
	// ReplayPublished: what came of records of the past is stored, the replay has not noted it. They are
	// mapped again, and must not be in TARGET twice.
	ReplayPublished Name = "replay-published"
	// ReplayNoted: a replay has noted how far it is, and has not begun what follows. Nothing may be left
	// out.
	ReplayNoted Name = "replay-noted"
)

// The seams of every sink.
const (
	// SinkWritten: the target has a batch, no receipt says so. It is written again, and must be at the
	// target once.
	SinkWritten Name = "sink-written"
	// SinkBooked: the receipts of a batch are stored, its messages are not acknowledged. Each must count
	// once.
	SinkBooked Name = "sink-booked"
	// SinkBuried: a message is in DEAD and not terminated. It must be there once.
	SinkBuried Name = "sink-buried"
	// SinkSettling: one message of a batch is settled, the others are not.
	SinkSettling Name = "sink-settling"
)

// The seams of single sinks.
const (
	// MySQLCommit: rows and guard are written in a transaction that is not committed. Nothing of it may
	// stay, and no lock.
	MySQLCommit Name = "mysql-commit"
	// MySQLCommitted: a transaction is committed, the sink has not said so.
	MySQLCommitted Name = "mysql-committed"
	// ReferencePut: entries of master data are in the bucket, the sink has not said so.
	ReferencePut Name = "reference-put"
)

// The seams of booking at systems that can't be asked to be idempotent. Whatever the point, there must
// be one document for one record in the end.
const (
	// BookingIntended: the link says that a call is about to be made, and none was.
	BookingIntended Name = "booking-intended"
	// BookingCalled: the target has answered, the link does not know what.
	BookingCalled Name = "booking-called"
	// BookingRefused: the target refused, the link still says that a call may be under way.
	BookingRefused Name = "booking-refused"
	// BookingClaimed: the document belongs to the link, which does not lead to it yet.
	BookingClaimed Name = "booking-claimed"
	// BookingLinked: the link leads to the document, no receipt says so.
	BookingLinked Name = "booking-linked"
	// BookingFound: the document of an intent that was left behind was found, and is not taken over yet.
	BookingFound Name = "booking-found"
)

// The seams of sessions and tokens that replicas share.
const (
	// TokenLeased: the lease is taken and the call counted, the vendor was not called. The others must
	// take over when the lease ends.
	TokenLeased Name = "token-leased"
	// TokenRefreshed: the vendor has given a new token, it is not stored. Where that made the old one
	// worthless another must be got.
	TokenRefreshed Name = "token-refreshed"
	// TokenStored: the new token is stored, the lease is not given back.
	TokenStored Name = "token-stored"
)

// Seam is a point at which programs can be made to die.
type Seam struct {
	Name Name
	// Services are the programs that reach it.
	Services []string
	// Needs says what has to happen for it to be reached, "" where every run does.
	Needs string
}

// All returns all seams, in the order in which a record meets them; those of tokens are last.
func All() []Seam {
	pollers := []string{"poller-jushuitan", "poller-wangdiantong", "poller-kingdee"}
	transformer := []string{"transformer"}
	sinks := []string{"sink-kingdee", "sink-kis", "sink-mysql", "sink-reference"}
	booking := []string{"sink-kingdee", "sink-kis"}
	sessions := []string{"poller-kingdee", "sink-kingdee", "sink-kis"}
	tokens := append([]string{"poller-jushuitan"}, sessions...)
	const ended = "a session or token that ended, or none yet"
	return []Seam{
		{PollRead, pollers, ""},
		{PollStep, pollers, "a snapshot, or one second, with more than 999 documents that are new"},
		{PollCommitted, pollers, ""},
		{PollQueued, pollers, "a backfill or a tick that takes longer than a minute"},
		{PollDone, pollers, ""},
		{TransformPublished, transformer, ""},
		{TransformParked, transformer, "records that come before their master data"},
		{TransformBooked, transformer, "records that a flow leaves out"},
		{TransformBuried, transformer, "records that can't be mapped"},
		{TransformSettling, transformer, ""},
		{ReleasePublished, transformer, "records that come before their master data"},
		{ReplayPublished, transformer, "a replay of a flow's past"},
		{ReplayNoted, transformer, "a replay of a flow's past"},
		{BookingIntended, booking, ""},
		{BookingCalled, booking, ""},
		{BookingRefused, booking, "documents that the target refuses"},
		{BookingClaimed, booking, ""},
		{BookingLinked, booking, ""},
		{BookingFound, booking, "a lost reply, or a crash at " + string(BookingCalled)},
		{MySQLCommit, []string{"sink-mysql"}, ""},
		{MySQLCommitted, []string{"sink-mysql"}, ""},
		{ReferencePut, []string{"sink-reference"}, ""},
		{SinkWritten, sinks, ""},
		{SinkBooked, sinks, ""},
		{SinkBuried, sinks, "messages that the target refuses"},
		{SinkSettling, sinks, ""},
		{TokenLeased, sessions, ended},
		{TokenRefreshed, tokens, ended},
		{TokenStored, tokens, ended},
	}
}
