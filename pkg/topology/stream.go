package topology

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams.
const (
	Polls      = "POLLS"
	Raw        = "RAW"
	Target     = "TARGET"
	Parked     = "PARKED"
	Dead       = "DEAD"
	Receipts   = "RECEIPTS"
	Ledger     = "LEDGER"
	Events     = "EVENTS"
	Advisories = "ADVISORIES"
)

// Names of the key-value buckets.
const (
	BucketConfig    = "config"
	BucketControl   = "control"
	BucketLinks     = "links"
	BucketPositions = "positions"
	BucketReference = "reference"
	BucketShapes    = "shapes"
	BucketStatus    = "status"
	BucketTokens    = "tokens"
	BucketUnique    = "unique"
)

// StatusTTL is how long a replica's entry in the status bucket lives without being renewed.
const StatusTTL = time.Minute

// DoubtKey is the entry of the bucket "links" that is there while they are in doubt, after a restore. No link has
// such a key.
const DoubtKey = "=doubt"

// ConfigHistory is how many revisions of a document the config bucket keeps.
const ConfigHistory = 64

// BatchLimit is how many messages the server takes in one atomic batch.
const BatchLimit = 1000

// MaxConsumers is how many consumers POLLS, RAW and TARGET may have each: one for each connection, flow or
// target, and those of who reads for a while. Without it the server's own limit, a thousand, would hold.
const MaxConsumers = 20_000

const day = 24 * time.Hour

// Streams returns the configuration of every stream and bucket, in the order in which they can
// be created, with that many replicas each.
func Streams(replicas int) []jetstream.StreamConfig {
	configs := slices.Concat(streams(), buckets())
	for i := range configs {
		configs[i].Replicas = replicas
		configs[i].Storage = jetstream.FileStorage
		configs[i].AllowDirect = true
		// There are no limits on size. Where an operator sets one, a stream that is full refuses what comes,
		// which then waits where it is; it never drops what nobody has read. The server does not let a
		// stream with schedules refuse.
		if !configs[i].AllowMsgSchedules {
			configs[i].Discard = jetstream.DiscardNew
		}
	}
	return configs
}

func streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name:         Polls,
			Description:  "Schedules of the sources, and the ticks and backfill jobs that come of them",
			Subjects:     []string{"schedule.*.*", "poll.*.*"},
			Retention:    jetstream.WorkQueuePolicy,
			MaxConsumers: MaxConsumers,
			// Ticks carry a TTL, so that none pile up while nobody polls.
			AllowMsgTTL: true, AllowMsgSchedules: true, AllowRollup: true,
			Duplicates: 2 * time.Minute,
		},
		{
			Name:         Raw,
			Description:  "Records as the sources said them, and the windows that were proved complete",
			Subjects:     []string{"raw.*.*.*", "window.*"},
			MaxAge:       30 * day,
			MaxConsumers: MaxConsumers,
			// Windows live for ever (Nats-TTL: never): the last one of a source is its cursor.
			AllowAtomicPublish: true, AllowMsgTTL: true,
			Duplicates: 2 * time.Minute,
		},
		{
			Name:               Target,
			Description:        "Protobuf target messages on their way to the sinks",
			Subjects:           []string{"target.*.*.*.*"},
			MaxAge:             30 * day,
			MaxConsumers:       MaxConsumers,
			AllowAtomicPublish: true,
			// Longer than a redelivery of RAW takes, so that a crash between publish and ack leaves no second
			// message. The server keeps all ids of that time in memory, and its collector walks over them.
			Duplicates: 2 * time.Minute,
		},
		{
			Name:        Parked,
			Description: "Records that wait for a reference",
			Subjects:    []string{"parked.*.*.*"},
			Duplicates:  10 * time.Minute,
		},
		{
			Name:        Dead,
			Description: "Records and target messages that can't go on, whole, with the reason",
			Subjects:    []string{"dead.*.*"},
			MaxAge:      180 * day,
			Duplicates:  10 * time.Minute,
			// A letter's edited form and the note that it takes the letter's place come together.
			AllowAtomicPublish: true,
		},
		{
			Name:               Receipts,
			Description:        "What became of each record",
			Subjects:           []string{"receipt.*.*"},
			MaxAge:             180 * day,
			AllowAtomicPublish: true,
			Duplicates:         2 * time.Minute,
		},
		{
			Name:        Ledger,
			Description: "Proved windows, copied from RAW",
			Sources:     []*jetstream.StreamSource{{Name: Raw, FilterSubject: "window.*"}},
			MaxAge:      400 * day,
			Duplicates:  2 * time.Minute,
		},
		{
			Name:        Events,
			Description: "What an operator should hear of",
			Subjects:    []string{"event.*.*"},
			MaxAge:      30 * day,
			Duplicates:  2 * time.Minute,
		},
		{
			Name:        Advisories,
			Description: "What the server says of messages that consumers gave up or ended",
			Subjects:    []string{AdvisoryMaxDeliveries + ".>", AdvisoryTerminated + ".>"},
			MaxAge:      7 * day,
			Duplicates:  2 * time.Minute,
		},
	}
}

func buckets() []jetstream.StreamConfig {
	config := bucket(BucketConfig, "Connections, sources and flows", ConfigHistory)
	// Documents are applied together or not at all.
	config.AllowAtomicPublish = true
	status := bucket(BucketStatus, "What each replica is doing", 1)
	status.MaxAge = StatusTTL
	unique := bucket(BucketUnique, "Values that one document of a flow alone may have, by quality rules", 1)
	// Each entry lives as long as its rule says.
	unique.AllowMsgTTL = true
	return []jetstream.StreamConfig{
		config,
		bucket(BucketControl, "What operators ask of flows: pauses, and replays of the past", 1),
		bucket(BucketLinks, "Which document at a target belongs to which record", 1),
		bucket(BucketPositions, "How far the consumers are, and which alarms are raised", 1),
		bucket(BucketReference, "Master data that mappings look up", 1),
		bucket(BucketShapes, "What the records of each source look like, and how that changed", 1),
		bucket(BucketTokens, "Tokens of accounts that replicas share, encrypted with the account's own secret", 1),
		status,
		unique,
	}
}

const bucketPrefix = "KV_"

// BucketStream is the name of the stream that a key-value bucket is.
func BucketStream(name string) string { return bucketPrefix + name }

// bucket is a key-value bucket as the stream that it is, so that one Provision covers both.
func bucket(name, description string, history int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              BucketStream(name),
		Description:       description,
		Subjects:          []string{"$KV." + name + ".>"},
		MaxMsgsPerSubject: history,
		AllowRollup:       true,
		DenyDelete:        true,
		Duplicates:        min(2*time.Minute, StatusTTL),
	}
}
