package topology

// Names of the durable consumers.

// PollerConsumer works off the queue of a connection.
func PollerConsumer(connection string) string { return "poller-" + connection }

// TransformerConsumer maps the records of a flow.
func TransformerConsumer(flow string) string { return "transformer-" + flow }

// SinkConsumer stores the target messages of a connection.
func SinkConsumer(kind, connection string) string { return "sink-" + kind + "-" + connection }

// WatchdogConsumer is the watchdog's, of POLLS for its ticks, of ADVISORIES, and of RAW for the shape of records.
const WatchdogConsumer = "watchdog"
