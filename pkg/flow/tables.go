package flow

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Bounds of value tables in files: a document has no room for more.
const (
	maxTableFile = 256 << 10
	maxTableRows = 1_000
)

// fileKey names the file of a table whose rows are in none but that.
const fileKey = "file"

// tableFile is where a document names the file of a table.
type tableFile struct {
	name, path string
	// line is that of the document's text, from 0; from and to are characters on it: the key, its value.
	line, from, to int
	// inline is set within braces, where rows are separated by commas.
	inline bool
	at     spec.Pos
}

// tables reads the value tables of a flow. Those in files stay without rows: see ReadTables.
func (r *reader) tables(e entry, files *[]tableFile) map[string]spec.Table {
	tables := map[string]spec.Table{}
	for _, one := range r.entries(e.value, e.path) {
		t := spec.Table{At: one.at, Path: one.path}
		rows := r.entries(one.value, one.path)
		switch {
		case len(rows) == 1 && rows[0].key == fileKey:
			t.File = r.text(rows[0])
			if file, ok := r.tableFile(one, rows[0], t.File); ok {
				*files = append(*files, file)
			}
		case len(rows) == 0:
			r.fail(one.at, one.path, `has no rows: write {"code": "value"}, or file: tables/%s.csv`, one.key)
		default:
			t.Rows = r.rows(rows)
		}
		tables[one.key] = t
	}
	return tables
}

func (r *reader) rows(entries []entry) map[string]string {
	rows := map[string]string{}
	for _, e := range entries {
		switch {
		case isNull(e.value):
			r.fail(e.at, e.path, "has no value")
		case strings.TrimSpace(e.key) != e.key || e.key == "":
			r.fail(e.at, e.path, "a code is not empty and has no blanks around it")
		default:
			rows[e.key] = r.text(e)
		}
	}
	return rows
}

// tableFile notes where a file is named; ok is false when that is wrong.
func (r *reader) tableFile(table, file entry, path string) (noted tableFile, ok bool) {
	at := r.pos(file.value)
	if path == "" {
		return tableFile{}, false
	}
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, `"'\`) {
		r.fail(at, file.path, "%q is no path in the folder of the flow: write one such as tables/%s.csv", path, table.key)
		return tableFile{}, false
	}
	noted = tableFile{
		name: table.key, path: path, at: at, line: at.Line - r.skip - 1, from: file.at.Column - 1,
		to: at.Column - 1 + utf8.RuneCountInString(path),
	}
	if line := r.line(at.Line); noted.to < len(line) && (line[at.Column-1] == '"' || line[at.Column-1] == '\'') {
		noted.to += 2
	}
	mapping, isMapping := table.value.(*ast.MappingNode)
	noted.inline = isMapping && mapping.IsFlowStyle
	if file.at.Line != at.Line {
		r.fail(at, file.path, "the name of a file stands on the line of its key")
		return tableFile{}, false
	}
	return noted, true
}

// ReadTables returns the documents with the rows of value tables that are in CSV files, which it opens in
// folder; nil is a folder that there is none of. The rows take the place of the file's name in Text too,
// so that what is stored stands for itself. The error joins all faults as *Error; then no document is
// to be used.
func ReadTables(documents []Document, folder fs.FS) ([]Document, error) {
	documents = slices.Clone(documents)
	var errs []error
	for i, d := range documents {
		if d.Flow == nil || len(d.Flow.files) == 0 {
			continue
		}
		read, err := readTables(d, folder)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		documents[i] = read
	}
	return documents, errors.Join(errs...)
}

// readTables reads the files of one flow.
func readTables(d Document, folder fs.FS) (Document, error) {
	f := *d.Flow
	f.Spec.Tables = maps.Clone(f.Spec.Tables)
	lines := strings.Split(d.Text, "\n")
	var errs []error
	for _, file := range slices.Backward(f.files) {
		rows, err := readTable(d.File, file, folder)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t := f.Spec.Tables[file.name]
		t.File, t.Rows = "", map[string]string{}
		for _, row := range rows {
			t.Rows[row[0]] = row[1]
		}
		f.Spec.Tables[file.name] = t
		lines[file.line] = file.replace(lines[file.line], rows)
	}
	if len(errs) > 0 {
		slices.Reverse(errs)
		return Document{}, errors.Join(errs...)
	}
	f.files = nil
	d.Flow, d.Text = &f, strings.Join(lines, "\n")
	stored, err := ParseStored(d.Kind, d.Name, []byte(d.Text))
	if err != nil {
		return Document{}, &Error{File: d.File, Line: d.Line, Column: 1, Path: "tables", Msg: "with the rows of its tables the document is not right: " + err.Error()}
	}
	for name, t := range f.Spec.Tables {
		if !maps.Equal(stored.Flow.Spec.Tables[name].Rows, t.Rows) {
			return Document{}, &Error{File: d.File, Line: t.At.Line, Column: t.At.Column, Path: t.Path, Msg: "the rows can't be put into the document: write file: on a line of its own"}
		}
	}
	return d, nil
}

// replace puts rows in the place of the file's name.
func (f tableFile) replace(line string, rows [][2]string) string {
	runes := []rune(line)
	indent := strings.Repeat(" ", f.from)
	between := "\n" + indent
	if f.inline {
		between = ",\n" + indent
	}
	var texts []string
	for _, row := range rows {
		texts = append(texts, quoted(row[0])+": "+quoted(row[1]))
	}
	return string(runes[:f.from]) + strings.Join(texts, between) + string(runes[f.to:])
}

// quoted is a text in the double quotes of YAML, which are those of JSON.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // text is always written
	return strings.TrimSuffix(b.String(), "\n")
}

// readTable returns the rows of a CSV file: code and value, in its order.
func readTable(document string, file tableFile, folder fs.FS) ([][2]string, error) {
	fault := func(format string, args ...any) error {
		return &Error{File: document, Line: file.at.Line, Column: file.at.Column, Path: "tables." + file.name + "." + fileKey, Msg: fmt.Sprintf(format, args...)}
	}
	if folder == nil {
		return nil, fault("a flow that is no file has no files beside it: write the rows into it")
	}
	data, err := fs.ReadFile(folder, file.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault("there is no file %s in the folder of the flow", file.path)
	case err != nil:
		return nil, fault("%v", err)
	case len(data) > maxTableFile:
		return nil, fault("%s is larger than %d bytes", file.path, maxTableFile)
	case !utf8.Valid(data):
		return nil, fault("%s is not UTF-8: save it as CSV UTF-8", file.path)
	}
	rows, err := parseTable(file.path, strings.TrimPrefix(string(data), "\ufeff"))
	if err == nil && len(rows) == 0 {
		return nil, fault("%s has no rows", file.path)
	}
	return rows, err
}

// parseTable reads a CSV text with a header. Its faults name the line of the file.
func parseTable(path, text string) ([][2]string, error) {
	reader := csv.NewReader(strings.NewReader(text))
	header, err := reader.Read()
	code, value := slices.Index(header, "code"), slices.Index(header, "value")
	if err != nil || code < 0 || value < 0 {
		return nil, &Error{File: path, Line: 1, Column: 1, Msg: "the first line must name the columns code and value: code,value"}
	}
	var rows [][2]string
	first := map[string]int{}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, csvFault(path, err)
		}
		line, _ := reader.FieldPos(code)
		row := [2]string{strings.TrimSpace(record[code]), strings.TrimSpace(record[value])}
		msg := ""
		switch earlier, twice := first[row[0]]; {
		case row[0] == "" || row[1] == "":
			msg = "code and value must not be empty"
		case strings.ContainsFunc(row[0]+row[1], unicode.IsControl):
			msg = "holds a control character"
		case twice:
			msg = fmt.Sprintf("code %q is there twice, first on line %d", row[0], earlier)
		case len(rows) == maxTableRows:
			msg = fmt.Sprintf("has more than %d rows", maxTableRows)
		}
		if msg != "" {
			return nil, &Error{File: path, Line: line, Column: 1, Msg: msg}
		}
		first[row[0]] = line
		rows = append(rows, row)
	}
}

// csvFault says where a file is no CSV.
func csvFault(path string, err error) error {
	if broken, ok := errors.AsType[*csv.ParseError](err); ok {
		return &Error{File: path, Line: broken.Line, Column: max(broken.Column, 1), Msg: broken.Err.Error()}
	}
	return fmt.Errorf("%s: %w", path, err)
}
