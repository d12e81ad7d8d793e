package topology

// Headers of the envelope: CloudEvents in binary mode, with extension attributes of our own.
const (
	HeaderMsgID         = "Nats-Msg-Id"
	HeaderTraceParent   = "traceparent"
	HeaderSpecVersion   = "ce-specversion"
	HeaderID            = "ce-id"
	HeaderSource        = "ce-source"
	HeaderType          = "ce-type"
	HeaderSubject       = "ce-subject"
	HeaderTime          = "ce-time"
	HeaderDataSchema    = "ce-dataschema"
	HeaderRecordVersion = "ce-recordversion"
	HeaderRawSequence   = "ce-rawsequence"
	HeaderFlow          = "ce-flow"
	HeaderFlowRevision  = "ce-flowrevision"
	HeaderOptions       = "ce-targetoptions"
	HeaderReferences    = "ce-references"
)

// Headers that a dead letter has besides those of the message that died.
const (
	// HeaderDeadPrefix is what the names of all of them begin with.
	HeaderDeadPrefix   = "Erpstream-Dead-"
	HeaderDeadReason   = "Erpstream-Dead-Reason"
	HeaderDeadClass    = "Erpstream-Dead-Class"
	HeaderDeadStage    = "Erpstream-Dead-Stage"
	HeaderDeadAttempts = "Erpstream-Dead-Attempts"
	HeaderDeadStream   = "Erpstream-Dead-Stream"
	HeaderDeadSequence = "Erpstream-Dead-Sequence"
	HeaderDeadSubject  = "Erpstream-Dead-Subject"
	HeaderDeadFlow     = "Erpstream-Dead-Flow"
	HeaderDeadRaw      = "Erpstream-Dead-Raw-Sequence"
	// HeaderDeadEdits is the sequence in DEAD of the letter that this one is the edited form of.
	HeaderDeadEdits = "Erpstream-Dead-Edits"
	// HeaderDeadLeft is the size in bytes of a body that was too large to go along; it is still where it
	// was, at HeaderDeadSequence of HeaderDeadStream.
	HeaderDeadLeft = "Erpstream-Dead-Left"
)

// Headers of a note on DEAD, which says what was done with a letter.
const (
	// HeaderDeadSettles is the sequence in DEAD of the letter.
	HeaderDeadSettles = "Erpstream-Dead-Settles"
	// HeaderDeadAction is replayed, dropped or edited.
	HeaderDeadAction = "Erpstream-Dead-Action"
	// HeaderDeadBy is who did it, HeaderDeadWhy for what reason; when is the time of the message.
	HeaderDeadBy  = "Erpstream-Dead-By"
	HeaderDeadWhy = "Erpstream-Dead-Why"
)

// HeaderReplay marks what is replayed, on its way through PARKED and TARGET: the sequence in DEAD of the
// letter that it comes from. What dies again is a letter of its own.
const HeaderReplay = "Erpstream-Replay"

// HeaderReplayJob marks what a replay of a flow's past maps again, in the same way: the number of the replay.
const HeaderReplayJob = "Erpstream-Replay-Job"

// HeaderWaived marks a record that a person let go on though it breaks a quality rule: the rule.
const HeaderWaived = "Erpstream-Waived-Rule"

// Headers that a parked record has besides its own: what it waits for, and who it is in RAW.
const (
	// HeaderParkedPrefix is what the names of all of them begin with.
	HeaderParkedPrefix     = "Erpstream-Parked-"
	HeaderParkedCollection = "Erpstream-Parked-Collection"
	HeaderParkedField      = "Erpstream-Parked-Field"
	HeaderParkedValue      = "Erpstream-Parked-Value"
	// HeaderParkedPersonal is set where the value is personal data. A released target message tells the
	// collection, the field and, where it is not personal, the value.
	HeaderParkedPersonal = "Erpstream-Parked-Personal"
	HeaderParkedRevision = "Erpstream-Parked-Flow-Revision"
	HeaderParkedSince    = "Erpstream-Parked-Since"
	HeaderParkedRaw      = "Erpstream-Parked-Raw-Sequence"
	// HeaderParkedRead is when the record came into RAW.
	HeaderParkedRead = "Erpstream-Parked-Read"
	// HeaderParkedRule is the quality rule that holds a record which waits for no master data, and
	// HeaderParkedWhy how the record breaks it.
	HeaderParkedRule = "Erpstream-Parked-Rule"
	HeaderParkedWhy  = "Erpstream-Parked-Why"
)

// Headers of a job on the queue of a connection; a tick has none of them.
const (
	HeaderBackfill     = "Erpstream-Backfill"
	HeaderBackfillFrom = "Erpstream-Backfill-From"
	HeaderBackfillTo   = "Erpstream-Backfill-To"
	// HeaderBackfillFailed is how often a backfill job has failed in a row.
	HeaderBackfillFailed = "Erpstream-Backfill-Failed"
	HeaderRecount        = "Erpstream-Recount"
	HeaderRecountFrom    = "Erpstream-Recount-From"
	HeaderRecountTo      = "Erpstream-Recount-To"
	// HeaderRecountCounted is what the vendor counted at HeaderRecountAt, where that is to be compared
	// once all is read that had changed by then.
	HeaderRecountCounted = "Erpstream-Recount-Counted"
	HeaderRecountAt      = "Erpstream-Recount-At"
)
