package importing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The words that begin a look-up in what another scheme of the platform has gathered.
const (
	wordCollection = "_findCollection"
	wordMongo      = "_mongoQuery"
	wordEnd        = "_endFind"
)

// query is a look-up: the field find of the entry whose field key has the value by.
type query struct {
	// scheme is the id of the platform's scheme that gathers the collection; often it is not written.
	scheme    string
	find, key string
	by        string
	// target is the field of the target that is filled with it.
	target string
}

// lookUp translates a look-up.
func (t translator) lookUp(text string) (expr, error) {
	read := readCollection
	if strings.HasPrefix(text, wordMongo) {
		read = readMongo
	}
	q, err := read(strings.TrimSpace(strings.TrimSuffix(text, wordEnd)))
	if err != nil {
		return expr{}, err
	}
	q.target = t.field
	for _, field := range []*string{&q.find, &q.key} {
		*field = strings.TrimPrefix(*field, "content.")
		if !identifier.MatchString(*field) {
			return expr{}, fmt.Errorf("%q is no field of master data", shorten(*field))
		}
	}
	by, err := t.template(q.by)
	if err != nil {
		return expr{}, err
	}
	collection, err := t.collection(q)
	if err != nil {
		return expr{}, err
	}
	key := by.cel
	if by.kind == textValue || by.loose {
		key = by.text(true)
	}
	return expr{cel: fmt.Sprintf("lookup(%s, %s, %s).%s", quote(collection), quote(q.key), key, q.find), lookup: true}, nil
}

var (
	collectionQuery = regexp.MustCompile(`^_findCollection\s+find\s+(\S+)\s+from\s+(\S+)\s+where\s+(\S.*)$`)
	conditionStart  = regexp.MustCompile(`(^|\s)([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*`)
	mongoQuery      = regexp.MustCompile(`^_mongoQuery(?:\s+([^\s=]+))?\s+findField=(\S+)\s+where=(.+)$`)
)

// readCollection reads _findCollection find F from SCHEME where A={x} B={y}.
func readCollection(text string) (query, error) {
	m := collectionQuery.FindStringSubmatch(text)
	if m == nil {
		return query{}, errors.New("must be of the form _findCollection find FIELD from SCHEME where FIELD={field}")
	}
	conditions := conditionStart.FindAllStringSubmatchIndex(m[3], -1)
	switch {
	case len(conditions) == 0 || conditions[0][0] != 0:
		return query{}, errors.New("must be of the form _findCollection find FIELD from SCHEME where FIELD={field}")
	case len(conditions) > 1:
		return query{}, errors.New("looks up by several fields: a look-up here goes by one; keep a field in the collection that joins them")
	}
	c := conditions[0]
	return query{scheme: m[2], find: m[1], key: m[3][c[4]:c[5]], by: strings.TrimSpace(m[3][c[1]:])}, nil
}

// readMongo reads _mongoQuery SCHEME findField=content.F where={"content.K":{"$eq":"{x}"}}.
func readMongo(text string) (query, error) {
	m := mongoQuery.FindStringSubmatch(text)
	if m == nil {
		return query{}, errors.New(`must be of the form _mongoQuery SCHEME findField=content.FIELD where={"content.FIELD":{"$eq":"{field}"}}`)
	}
	q := query{scheme: m[1], find: m[2]}
	where, err := parseJSON("where", []byte(m[3]))
	if err != nil {
		return q, fmt.Errorf("its condition can't be read: %w", err)
	}
	if len(where.members) != 1 || where.members[0].key == "" {
		return q, errors.New("looks up by several fields, or by none: a look-up here goes by one; keep a field in the collection that joins them")
	}
	q.key = where.members[0].key
	by := where.members[0].value
	if by.kind == kindObject {
		if len(by.members) != 1 || by.members[0].key != "$eq" {
			return q, fmt.Errorf("a look-up here finds what is equal, not %s", by)
		}
		by = by.members[0].value
	}
	if q.by = by.scalar(); q.by == "" {
		return q, fmt.Errorf("a look-up here finds a value, not %s", by)
	}
	return q, nil
}
