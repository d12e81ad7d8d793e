package reference

import (
	"fmt"
	"strings"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// subjectPrefix is what the server puts before the keys of the bucket.
const subjectPrefix = "$KV." + topology.BucketReference + "."

// Stream is the stream that the bucket is.
const Stream = "KV_" + topology.BucketReference

// Key returns the key of a piece of master data in the bucket: <connection>.<collection>.<id>. The
// collection may hold dots, for the id is one token: every byte of it that is no letter, digit, hyphen
// or underscore stands as = and two hex digits.
func Key(connection, collection, id string) string {
	return connection + "." + collection + "." + encode(id)
}

// Subject returns the subject that the entry with that key is published on.
func Subject(key string) string { return subjectPrefix + key }

// Filter matches the entries of a connection.
func Filter(connection string) string { return subjectPrefix + connection + ".>" }

// OptionCollection is the option of a flow's target that names its collection.
const OptionCollection = "collection"

// Collection returns the collection that a flow fills: what its target says in OptionCollection, else
// the name of the feed. A document that was removed has no body to say it, so it can't depend on one.
func Collection(option, feed string) string {
	if option != "" {
		return option
	}
	return strings.TrimSuffix(feed, record.RemovedSuffix)
}

const hexDigits = "0123456789ABCDEF"

func encode(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if isPlain(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

func isPlain(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// place is where a subject says that an entry belongs: the collection, and the id as it is encoded,
// which is all that is needed to tell entries apart.
func place(connection, subject string) (collection, id string, err error) {
	rest, ok := strings.CutPrefix(subject, subjectPrefix+connection+".")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot <= 0 || dot == len(rest)-1 {
		return "", "", fmt.Errorf("subject %s is no entry of connection %s", subject, connection)
	}
	return rest[:dot], rest[dot+1:], nil
}
