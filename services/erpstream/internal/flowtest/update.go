package flowtest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// Update returns the text of a file with tests in which the tests that failed, or expect nothing yet, expect
// the messages that came out. All else stays as it is, comments too: those at a field that is still there
// go along with it. It says how many tests it changed. Tests that expect something else than a message are
// left alone, for that they make one now is hardly wanted.
func Update(file string, text []byte, reports []FlowReport) (updated []byte, changed int, err error) {
	lines := strings.Split(string(text), "\n")
	var tests []TestReport
	for _, r := range reports {
		for _, t := range r.Tests {
			if t.File == file && t.updates() {
				tests = append(tests, t)
			}
		}
	}
	slices.SortFunc(tests, func(a, b TestReport) int { return b.Line - a.Line }) // from below: lines above stay
	for _, t := range tests {
		if lines, err = t.rewrite(lines); err != nil {
			return nil, 0, fmt.Errorf("%s:%d: %s: %w", file, t.Line, t.Name, err)
		}
	}
	return []byte(strings.Join(lines, "\n")), len(tests), nil
}

func (t TestReport) updates() bool {
	return !t.Passed && t.got != nil && (t.test.Want.Message != nil || t.Want == "")
}

// rewrite puts the message into the lines of the file.
func (t TestReport) rewrite(lines []string) ([]string, error) {
	column := t.test.At.Column
	end := block(lines, t.test.At.Line, column-1)
	begin, head := end, strings.Repeat(" ", column-1)
	key := "message:"
	old := commented{at: map[string]comment{}, taken: map[int]bool{}}
	if want := t.test.Want.Message; want != nil {
		begin = t.test.Want.At.Line - 1
		end = block(lines, begin+1, column)
		head = lines[begin][:min(column-1, len(lines[begin]))]
		key += behind.FindString(lines[begin])
		old.read(lines, *want, want.Path+".")
	}
	if !inBlockStyle(lines[t.test.At.Line-1], column) || t.test.Want.Message != nil && !inBlockStyle(lines[begin], column) {
		return nil, errors.New("--update needs a test whose fields stand on lines of their own")
	}
	w := yamlWriter{zone: t.zone, comments: old.at, lines: []string{head + key}}
	w.message(t.got, "", column+1, "")
	return slices.Replace(lines, begin, end, w.lines...), nil
}

// block returns the number of lines up to the end of what begins on a line, counted from 1, and goes on
// for as long as lines have so many blanks before them. Blank lines at the end are none of it.
func block(lines []string, from, indent int) int {
	end := from
	for i := from; i < len(lines); i++ {
		trimmed := strings.TrimLeft(lines[i], " ")
		if strings.TrimSpace(trimmed) == "" {
			continue
		}
		if len(lines[i])-len(trimmed) < indent {
			break
		}
		end = i + 1
	}
	return end
}

// inBlockStyle reports whether a field begins at a column of a line, with nothing but a dash before it.
func inBlockStyle(line string, column int) bool {
	return len(line) >= column && strings.Trim(line[:column-1], " -") == "" && line[column-1] != ' ' && line[column-1] != '{'
}

// commented holds the comments of a message as it stands, by the path of the field.
type commented struct {
	at map[string]comment
	// taken are the lines whose comments have an owner: an item and its first field share one.
	taken map[int]bool
}

type comment struct {
	// above are lines before the field, behind what follows its value on the line.
	above  []string
	behind string
}

func (c commented) read(lines []string, n flow.Node, prefix string) {
	for _, f := range n.Fields {
		c.take(lines, f.At.Line, strings.TrimPrefix(f.Value.Path, prefix))
		c.read(lines, f.Value, prefix)
	}
	for _, item := range n.Items {
		c.take(lines, item.At.Line, strings.TrimPrefix(item.Path, prefix))
		c.read(lines, item, prefix)
	}
}

func (c commented) take(lines []string, line int, path string) {
	if line < 2 || line > len(lines) || c.taken[line] {
		return
	}
	c.taken[line] = true
	one := comment{behind: behind.FindString(lines[line-1])}
	for i := line - 2; i >= 0 && strings.HasPrefix(strings.TrimSpace(lines[i]), "#"); i-- {
		one.above = append(one.above, strings.TrimSpace(lines[i]))
	}
	slices.Reverse(one.above)
	c.at[path] = one
}

// behind finds a comment that has no quotes in it, and so is none within a text.
var behind = regexp.MustCompile(`\s+#[^"']*$`)

// yamlWriter writes a message as YAML in block style.
type yamlWriter struct {
	zone     *time.Location
	comments map[string]comment
	lines    []string
}

// put writes a line for what is at a path, with its comments. lead takes the place of the last of the
// indentation.
func (w *yamlWriter) put(path string, indent int, lead, text string) {
	c := w.comments[path]
	for _, line := range c.above {
		w.lines = append(w.lines, strings.Repeat(" ", indent-len(lead))+line)
	}
	w.lines = append(w.lines, strings.Repeat(" ", indent-len(lead))+lead+text+c.behind)
}

// message writes the fields of a message. lead goes before the first.
func (w *yamlWriter) message(m protoreflect.Message, prefix string, indent int, lead string) {
	all := m.Descriptor().Fields()
	for i := range all.Len() {
		if fd := all.Get(i); m.Has(fd) {
			w.field(fd, m.Get(fd), prefix+string(fd.Name()), indent, lead)
			lead = ""
		}
	}
}

func (w *yamlWriter) field(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string, indent int, lead string) {
	name := string(fd.Name())
	switch {
	case fd.IsMap():
		w.put(path, indent, lead, name+":")
		w.pairs(fd, v.Map(), path, indent+2)
	case fd.IsList():
		w.put(path, indent, lead, name+":")
		for i := range v.List().Len() {
			w.item(fd, v.List().Get(i), path+"["+strconv.Itoa(i)+"]", indent+2)
		}
	case isMessage(fd) && !isEmpty(v.Message()):
		w.put(path, indent, lead, name+":")
		w.message(v.Message(), path+".", indent+2, "")
	default:
		w.put(path, indent, lead, name+": "+fields.Text(fd, v, w.zone))
	}
}

func (w *yamlWriter) item(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string, indent int) {
	if !isMessage(fd) || isEmpty(v.Message()) {
		w.put(path, indent+2, "- ", fields.Text(fd, v, w.zone))
		return
	}
	first := len(w.lines)
	w.message(v.Message(), path+".", indent+2, "- ")
	if c, ok := w.comments[path]; ok { // those of the item stand on the line of its first field
		w.lines[first] += c.behind
		for i, line := range c.above {
			w.lines = slices.Insert(w.lines, first+i, strings.Repeat(" ", indent)+line)
		}
	}
}

func (w *yamlWriter) pairs(fd protoreflect.FieldDescriptor, m protoreflect.Map, path string, indent int) {
	names := map[string]protoreflect.MapKey{}
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		names[k.String()] = k
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(names)) {
		key := name
		if !plainKey.MatchString(name) {
			key = strconv.Quote(name)
		}
		w.put(path+"."+name, indent, "", key+": "+fields.Text(fd.MapValue(), m.Get(names[name]), w.zone))
	}
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isEmpty(m protoreflect.Message) bool {
	empty := true
	m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		empty = false
		return false
	})
	return empty
}
