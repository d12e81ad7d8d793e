package importing

import (
	"regexp"
	"strings"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// statement is the main_sql (主语句) of a target that is a database.
type statement struct {
	at spec.Pos
	// verb is REPLACE, INSERT, or INSERT IGNORE; "" when there is no statement.
	verb, table string
	columns     []string
	// gap is set when columns are left out in it; update when it goes on with ON DUPLICATE KEY UPDATE.
	gap, update bool
	// text is the statement where it can't be read.
	text string
}

var statementForm = regexp.MustCompile("(?is)^\\s*(REPLACE|INSERT(?:\\s+IGNORE)?)\\s+(?:INTO\\s+)?[`\"]?(?:[\\w$]+[`\"]?\\s*\\.\\s*[`\"]?)?([\\w$]+)[`\"]?\\s*\\(([^()]*)\\)\\s*VALUES?(.*)$")

// readStatement reads the main_sql of a target, wherever the platform has it.
func readStatement(s *scheme) statement {
	n := s.root.get("main_sql")
	if p, ok := s.find("main_sql"); ok && p.value != nil {
		n = p.value
	}
	if n.scalar() == "" {
		return statement{}
	}
	m := statementForm.FindStringSubmatch(n.text)
	if m == nil {
		return statement{at: n.at, text: n.text}
	}
	st := statement{at: n.at, verb: strings.ToUpper(strings.Join(strings.Fields(m[1]), " ")), table: m[2], text: n.text}
	st.update = strings.Contains(strings.ToUpper(m[4]), "ON DUPLICATE")
	for _, name := range strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == '，' }) {
		name = strings.Trim(strings.TrimSpace(name), "`\"[]")
		switch {
		case strings.Trim(name, ".…") == "":
			st.gap = st.gap || name != ""
		default:
			st.columns = append(st.columns, name)
		}
	}
	return st
}
