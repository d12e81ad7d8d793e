package importing

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// conditions makes where of the source's condition: groups of which one must hold, of conditions that
// all must (或 of 且). Conditions for lines leave lines out.
func (im *importer) conditions() {
	n := im.source.root.get("condition")
	if n == nil || n.kind != kindElided && len(n.items) == 0 {
		return
	}
	im.where = &field{name: "where"}
	if n.kind != kindList {
		im.block(n, errors.New("condition is no list"))
		return
	}
	groups := n.items
	if groups[0].kind == kindObject {
		groups = []*node{n} // one group, written without the list around it
	}
	var alternatives []string
	for _, group := range groups {
		cel, err := im.group(group, len(groups) == 1)
		if err != nil {
			im.block(group, err)
			return
		}
		if cel == "" {
			return // a group that always holds
		}
		alternatives = append(alternatives, cel)
	}
	if im.where.text = strings.Join(alternatives, " || "); len(alternatives) > 1 {
		im.where.text = "(" + strings.Join(alternatives, ") || (") + ")"
	}
}

// block lets no record go on: what the condition leaves out must not be booked.
func (im *importer) block(n *node, err error) {
	im.blocked = true
	im.where.drop(finding(unreadable(n), im.source.file, n.at, n.String(),
		"until where says so and the rule below is gone, each record is a dead letter: "+err.Error()))
}

func unreadable(n *node) Kind {
	if n.kind == kindElided || len(n.gaps()) > 0 {
		return Missing
	}
	return Unsupported
}

// group makes a condition of a group. alone tells that there is no other: only then can lines be left out.
func (im *importer) group(group *node, alone bool) (string, error) {
	if len(group.gaps()) > 0 || group.kind == kindElided {
		return "", errors.New("conditions are left out (...)")
	}
	var all []string
	lines := map[string][]string{}
	for _, c := range group.items {
		field := c.get("field").scalar()
		if field == "" {
			return "", fmt.Errorf("a condition without a field: %s", c)
		}
		list, of := im.listOf(field)
		subject := "line"
		if list == "" {
			ref, err := scope{}.ref(field)
			if err != nil {
				return "", err
			}
			subject = ref
		} else {
			steps, err := splitPath(of)
			if err != nil {
				return "", err
			}
			subject += path(steps)
		}
		cel, err := compareField(subject, strings.ToLower(c.get("logic").scalar()), c.get("value"))
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", c, err)
		case list == "":
			all = append(all, cel)
		case c.get("strictMode").scalar() == "true":
			ref, _ := scope{}.ref(list)
			all = append(all, fmt.Sprintf("%s.all(line, %s)", ref, cel))
		case !alone:
			return "", fmt.Errorf("%s: leaves lines out of some records only", c)
		default:
			lines[list] = append(lines[list], cel)
		}
	}
	for list, conditions := range lines {
		im.filters[list] = append(im.filters[list], conditions...)
	}
	return strings.Join(all, " && "), nil
}

// listOf splits items.name at the list that it leads into. Without a sample the first of two steps is a list.
func (im *importer) listOf(field string) (list, of string) {
	if rest, ok := strings.CutPrefix(field, im.flat+"_"); ok && im.flat != "" {
		return im.flat, rest
	}
	list, of, dotted := strings.Cut(field, ".")
	if !dotted {
		return "", field
	}
	if n := im.sample.get(list); n != nil && n.kind != kindList {
		return "", field
	}
	return list, of
}

// orders are the operators that compare by size.
var orders = map[string]string{"gt": ">", "egt": ">=", "gte": ">=", "lt": "<", "elt": "<=", "lte": "<="}

// compareField makes one condition.
func compareField(subject, logic string, value *node) (string, error) {
	e := expr{cel: subject}
	if value != nil && value.kind != kindList && (value.kind == kindObject || value.kind == kindElided) {
		return "", fmt.Errorf("its value is %s", value.kind)
	}
	text := value.scalar()
	if reference.MatchString(text) || strings.HasPrefix(text, "_") {
		return "", errors.New("a condition compares with constants only")
	}
	switch logic {
	case "eq", "eqv2", "=", "==":
		return equals(e, textLiteral(text)), nil
	case "neq", "neqv2", "ne", "<>", "!=":
		return compare("!=", e, textLiteral(text)).cel, nil
	case "like":
		return fmt.Sprintf("%s.contains(%s)", e.text(false), quote(text)), nil
	case "notlike", "not like":
		return fmt.Sprintf("!%s.contains(%s)", e.text(false), quote(text)), nil
	case "notnull", "not null":
		return "!(" + subject + ` in [null, ""])`, nil
	case "isnull", "null", "is null":
		return subject + ` in [null, ""]`, nil
	case "in":
		return among(e, value)
	case "notin", "not in":
		cel, err := among(e, value)
		return "!(" + cel + ")", err
	case "between":
		low, high, ok := strings.Cut(text, ",")
		if !ok {
			return "", errors.New("between wants two values with a comma between them")
		}
		return both(order(subject, ">=", low))(order(subject, "<=", high))
	default:
		if sign, ok := orders[logic]; ok {
			return order(subject, sign, text)
		}
		return "", fmt.Errorf("the logic %q has no counterpart", shorten(logic))
	}
}

func both(a string, errA error) func(b string, errB error) (string, error) {
	return func(b string, errB error) (string, error) { return a + " && " + b, errors.Join(errA, errB) }
}

// among is in a list, or in text with commas.
func among(e expr, value *node) (string, error) {
	var texts []string
	if value != nil && value.kind == kindList {
		for _, item := range value.items {
			if item.kind == kindElided || item.kind == kindList || item.kind == kindObject {
				return "", fmt.Errorf("its value holds %s", item.kind)
			}
			texts = append(texts, item.scalar())
		}
	} else {
		texts = strings.Split(value.scalar(), ",")
	}
	var list []string
	for _, text := range texts {
		if text = strings.TrimSpace(text); isWhole(text) {
			list = append(list, text)
		}
		list = append(list, quote(text))
	}
	return e.cel + " in [" + strings.Join(list, ", ") + "]", nil
}

// order compares a number or a time. What is null or empty is neither more nor less.
func order(subject, sign, text string) (string, error) {
	text = strings.TrimSpace(text)
	if seconds, ok := strings.CutPrefix(text, "timestamp:"); ok {
		if !isWhole(seconds) {
			return "", fmt.Errorf("%q is no time", shorten(text))
		}
		return fmt.Sprintf("datetime(%s) != null && datetime(%s) %s from_unix(%s)", subject, subject, sign, seconds), nil
	}
	if isNumber(text) {
		return fmt.Sprintf(`!(%s in [null, ""]) && decimal(%s) %s %s`, subject, subject, sign, numberLiteral(text).cel), nil
	}
	for _, layout := range []string{time.DateTime, time.DateOnly} {
		if _, err := time.Parse(layout, text); err == nil {
			return fmt.Sprintf("datetime(%s) != null && datetime(%s) %s datetime(%s)", subject, subject, sign, quote(text)), nil
		}
	}
	return "", fmt.Errorf("%q is neither a number nor a time", shorten(text))
}
