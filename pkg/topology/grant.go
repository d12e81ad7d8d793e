package topology

import "slices"

// grants are subjects that may be published on. What JetStream does is asked for on subjects of its own,
// so a right on a stream or a bucket is a list of those.
type grants []string

func (g *grants) add(subjects ...string) { *g = append(*g, subjects...) }

// sorted returns each subject once.
func (g *grants) sorted() []string {
	slices.Sort(*g)
	return slices.Compact(*g)
}

const api = "$JS.API."

// info lets streams be found and their state be asked for.
func (g *grants) info(streams ...string) {
	for _, stream := range streams {
		g.add(api + "STREAM.INFO." + stream)
	}
}

// get lets messages be read by sequence, or as the next of a subject. The server knows no narrower right
// to that than one on the whole stream.
func (g *grants) get(stream string) {
	g.info(stream)
	g.add(api + "DIRECT.GET." + stream)
}

// last lets the last message of subjects be read.
func (g *grants) last(stream string, subjects ...string) {
	g.info(stream)
	for _, subject := range subjects {
		g.add(api + "DIRECT.GET." + stream + "." + subject)
	}
}

// durable lets consumers of those names be made, with one of the filters (none: with no filter), set to
// their place, worked off and settled. The server's second form of acknowledgements, with domain and
// account before the stream, is allowed as well.
func (g *grants) durable(stream string, consumers, filters []string) {
	g.info(stream)
	for _, consumer := range consumers {
		at := stream + "." + consumer
		g.add(
			api+"CONSUMER.INFO."+at, api+"CONSUMER.MSG.NEXT."+at,
			"$JS.ACK."+at+".>", "$JS.ACK.*.*."+at+".>",
		)
		g.create(at, filters)
	}
}

func (g *grants) create(at string, filters []string) {
	if len(filters) == 0 {
		g.add(api + "CONSUMER.CREATE." + at)
	}
	for _, filter := range filters {
		g.add(api + "CONSUMER.CREATE." + at + "." + filter)
	}
}

// resumed lets durable consumers that were deleted go on where they were.
func (g *grants) resumed(stream string, consumers []string) {
	for _, consumer := range consumers {
		g.add(api + "CONSUMER.RESET." + stream + "." + consumer)
		g.last(BucketStream(BucketPositions), key(BucketPositions, stream+"."+consumer))
	}
}

// alone lets consumers that serve one client at a time be handed over.
func (g *grants) alone(stream string, consumers []string) {
	for _, consumer := range consumers {
		g.add(api + "CONSUMER.UNPIN." + stream + "." + consumer)
	}
}

// glance lets messages of the filters (none: all) be read in order, by a consumer without a lasting name, which is left
// to the server to forget.
func (g *grants) glance(stream string, filters ...string) {
	g.info(stream)
	g.add(api+"CONSUMER.INFO."+stream+".*", api+"CONSUMER.MSG.NEXT."+stream+".*")
	g.create(stream+".*", filters)
}

// read is glance for streams on which nobody has durable consumers, or by those who may delete them: the
// consumer is deleted when the reading is done.
func (g *grants) read(stream string, filters ...string) {
	g.glance(stream, filters...)
	g.add(api + "CONSUMER.DELETE." + stream + ".*")
}

// watch lets changes of a bucket's keys be heard of; no keys stand for several filters at once.
func (g *grants) watch(bucket string, keys ...string) {
	stream := BucketStream(bucket)
	g.info(stream)
	g.add(api+"CONSUMER.DELETE."+stream+".*", "$JS.FC."+stream+".>", "$JS.FC.*.*."+stream+".>")
	var filters []string
	for _, k := range keys {
		filters = append(filters, key(bucket, k))
	}
	g.create(stream+".*", filters)
}

// look lets keys of a bucket be read, keep lets them be read and written.
func (g *grants) look(bucket string, keys ...string) {
	for _, k := range keys {
		g.last(BucketStream(bucket), key(bucket, k))
	}
}

func (g *grants) keep(bucket string, keys ...string) {
	g.look(bucket, keys...)
	g.put(bucket, keys...)
}

// put lets keys of a bucket be written and removed.
func (g *grants) put(bucket string, keys ...string) {
	g.info(BucketStream(bucket))
	for _, k := range keys {
		g.add(key(bucket, k))
	}
}

func key(bucket, k string) string { return "$KV." + bucket + "." + k }
