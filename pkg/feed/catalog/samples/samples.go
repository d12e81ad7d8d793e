// Package samples holds one recorded answer of each feed's API: what a document looks like before the
// first one was read. Names, types and oddities are the vendor's, values are made up, personal ones
// masked. It is apart from package feed, so that a service carries no samples.
package samples

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/erpstream/erpstream/pkg/feed"
)

//go:embed *.json
var files embed.FS

// Answer returns the recorded answer of a feed's API, as the vendor said it.
func Answer(f feed.Feed) (json.RawMessage, error) {
	text, err := files.ReadFile(f.Name + ".json")
	if err != nil {
		return nil, fmt.Errorf("feed %s has no recorded sample", f.Name)
	}
	return text, nil
}

// Documents returns the documents of a feed's recorded answer, each as its record would be: where the
// API's list has parts of them only, with the fields of their details.
func Documents(f feed.Feed) ([]json.RawMessage, error) {
	answer, err := Answer(f)
	if err != nil {
		return nil, err
	}
	rows := find(answer, f.Rows)
	if len(rows) == 0 {
		return nil, fmt.Errorf("the sample of feed %s has no rows under %q", f.Name, f.Rows)
	}
	if f.Details.Path == "" {
		return rows, nil
	}
	details, err := files.ReadFile(f.Name + ".details.json")
	if errors.Is(err, fs.ErrNotExist) {
		return rows, nil
	}
	if err != nil {
		return nil, fmt.Errorf("details of feed %s: %w", f.Name, err)
	}
	return whole(rows, find(details, f.Details.Rows), f.Details.From)
}

// whole returns rows with the fields of the details of the same id over their own.
func whole(rows, details []json.RawMessage, id string) ([]json.RawMessage, error) {
	byID := map[string]map[string]json.RawMessage{}
	for _, text := range details {
		var detail map[string]json.RawMessage
		if err := json.Unmarshal(text, &detail); err != nil {
			return nil, fmt.Errorf("details: %w", err)
		}
		byID[string(detail[id])] = detail
	}
	documents := make([]json.RawMessage, 0, len(rows))
	for _, text := range rows {
		var row map[string]json.RawMessage
		if err := json.Unmarshal(text, &row); err != nil {
			return nil, fmt.Errorf("row: %w", err)
		}
		maps.Copy(row, byID[string(row[id])])
		document, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("row: %w", err)
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// find returns the elements of the first array of that name that has some, at any depth.
func find(text json.RawMessage, name string) []json.RawMessage {
	var object map[string]json.RawMessage
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &object) != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(object[name], &list) == nil && len(list) > 0 {
		return list
	}
	for _, field := range slices.Sorted(maps.Keys(object)) {
		if rows := find(object[field], name); rows != nil {
			return rows
		}
	}
	return nil
}
