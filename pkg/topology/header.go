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
)

// Headers that a dead letter has besides those of the message that died.
const (
	HeaderDeadReason   = "Erpstream-Dead-Reason"
	HeaderDeadClass    = "Erpstream-Dead-Class"
	HeaderDeadStage    = "Erpstream-Dead-Stage"
	HeaderDeadAttempts = "Erpstream-Dead-Attempts"
	HeaderDeadStream   = "Erpstream-Dead-Stream"
	HeaderDeadSequence = "Erpstream-Dead-Sequence"
	HeaderDeadSubject  = "Erpstream-Dead-Subject"
	HeaderDeadFlow     = "Erpstream-Dead-Flow"
	HeaderDeadRaw      = "Erpstream-Dead-Raw-Sequence"
)

// Headers that a parked record has besides its own: what it waits for, and who it is in RAW.
const (
	// HeaderParkedPrefix is what the names of all of them begin with.
	HeaderParkedPrefix     = "Erpstream-Parked-"
	HeaderParkedCollection = "Erpstream-Parked-Collection"
	HeaderParkedField      = "Erpstream-Parked-Field"
	HeaderParkedValue      = "Erpstream-Parked-Value"
	HeaderParkedRevision   = "Erpstream-Parked-Flow-Revision"
	HeaderParkedSince      = "Erpstream-Parked-Since"
	HeaderParkedRaw        = "Erpstream-Parked-Raw-Sequence"
)

// Headers of a job on the queue of a connection; a tick has none of them.
const (
	HeaderBackfill     = "Erpstream-Backfill"
	HeaderBackfillFrom = "Erpstream-Backfill-From"
	HeaderBackfillTo   = "Erpstream-Backfill-To"
)
