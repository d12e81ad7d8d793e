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

// Headers of a job on the queue of a connection; a tick has none of them.
const (
	HeaderBackfill     = "Erpstream-Backfill"
	HeaderBackfillFrom = "Erpstream-Backfill-From"
	HeaderBackfillTo   = "Erpstream-Backfill-To"
)
