package importing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// call reads the arguments of a function of MySQL and translates it.
func (f *functionParser) call(name string, depth int) expr {
	switch name {
	case "CAST", "CONVERT":
		return f.cast(name, depth)
	case "DATE_ADD", "DATE_SUB":
		return f.shift(name, depth)
	case "SUM", "AVG", "MAX", "MIN", "COUNT":
		return f.aggregate(name)
	}
	args := f.arguments(depth)
	if f.err != nil {
		return expr{}
	}
	c, known := calls[name]
	switch {
	case !known:
		return f.fail("the function %s has no counterpart", name)
	case len(args) < c.least || len(args) > c.most:
		return f.fail("%s takes %d to %d arguments, not %d", name, c.least, c.most, len(args))
	}
	e, err := c.make(args)
	if err != nil {
		return f.fail("%s: %w", name, err)
	}
	e.lookup = e.lookup || slices.ContainsFunc(args, func(a expr) bool { return a.lookup })
	return e
}

// sqlCall is a function of MySQL.
type sqlCall struct {
	least, most int
	make        func(args []expr) (expr, error)
}

// calls are the functions that are carried over.
var calls = map[string]sqlCall{
	"CONCAT":           {1, 50, func(a []expr) (expr, error) { return join(a, false), nil }},
	"CONCAT_WS":        {2, 50, concatWith},
	"REPLACE":          {3, 3, replace},
	"UPPER":            {1, 1, method("%s.upper()", textValue)},
	"UCASE":            {1, 1, method("%s.upper()", textValue)},
	"LOWER":            {1, 1, method("%s.lower()", textValue)},
	"LCASE":            {1, 1, method("%s.lower()", textValue)},
	"TRIM":             {1, 1, method("%s.trim()", textValue)},
	"REVERSE":          {1, 1, method("%s.reverse()", textValue)},
	"MD5":              {1, 1, method("md5(%s)", textValue)},
	"CHAR_LENGTH":      {1, 1, method("size(%s)", wholeValue)},
	"CHARACTER_LENGTH": {1, 1, method("size(%s)", wholeValue)},
	"LEFT":             {2, 2, sized("%s.left(%s)")},
	"RIGHT":            {2, 2, sized("%s.right(%s)")},
	"REPEAT":           {2, 2, sized("%s.repeat(%s)")},
	"SUBSTRING":        {2, 3, substring},
	"SUBSTR":           {2, 3, substring},
	"MID":              {3, 3, substring},
	"LOCATE":           {2, 2, func(a []expr) (expr, error) { return locate(a[1], a[0]), nil }},
	"INSTR":            {2, 2, func(a []expr) (expr, error) { return locate(a[0], a[1]), nil }},
	"LPAD":             {3, 3, pad("%[1]s.pad_start(%[2]s, %[3]s).left(%[2]s)")},
	"RPAD":             {3, 3, pad("%[1]s.pad_end(%[2]s, %[3]s).left(%[2]s)")},
	"IF":               {3, 3, func(a []expr) (expr, error) { return choose(a[0].truth(), a[1], a[2]), nil }},
	"IFNULL":           {2, 2, coalesce},
	"COALESCE":         {1, 50, coalesce},
	"NULLIF":           {2, 2, nullIf},
	"ABS":              {1, 1, numeric("abs")},
	"CEIL":             {1, 1, numeric("ceil")},
	"CEILING":          {1, 1, numeric("ceil")},
	"FLOOR":            {1, 1, numeric("floor")},
	"GREATEST":         {2, 4, extreme("greatest")},
	"LEAST":            {2, 4, extreme("least")},
	"ROUND":            {1, 2, round("")},
	"TRUNCATE":         {2, 2, round(`, "down"`)},
	"MOD":              {2, 2, func(a []expr) (expr, error) { return arithmetic("%", a[0], a[1]), nil }},
	"DATE_FORMAT":      {2, 2, dateFormat},
	"DATE":             {1, 1, func(a []expr) (expr, error) { return timeText(a[0].instant(), layoutDay), nil }},
	"LAST_DAY": {1, 1, func(a []expr) (expr, error) {
		return timeText(fmt.Sprintf(`add_days(start_of(add_months(%s, 1), "month"), -1)`, a[0].instant()), layoutDay), nil
	}},
	"YEAR":           {1, 1, ofTime("year(%s)", 1)},
	"QUARTER":        {1, 1, ofTime("quarter(%s)", 1)},
	"MONTH":          {1, 1, ofTime("month(%s)", 1)},
	"DAY":            {1, 1, ofTime("day(%s)", 1)},
	"DAYOFMONTH":     {1, 1, ofTime("day(%s)", 1)},
	"HOUR":           {1, 1, ofTime("hour(%s)", 1)},
	"MINUTE":         {1, 1, ofTime("minute(%s)", 1)},
	"SECOND":         {1, 1, ofTime("second(%s)", 1)},
	"UNIX_TIMESTAMP": {1, 1, ofTime("unix(%s)", 1)},
	"DATEDIFF":       {2, 2, ofTime("days_between(%[2]s, %[1]s)", 2)},
	"FROM_UNIXTIME":  {1, 2, fromUnix},
	"STR_TO_DATE":    {2, 2, parseDate},
}

// method makes a function of one text.
func method(format string, kind valueKind) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) { return expr{cel: fmt.Sprintf(format, a[0].text(false)), kind: kind}, nil }
}

// concatWith leaves out what is null, as MySQL does.
func concatWith(a []expr) (expr, error) {
	var texts []string
	for _, e := range a[1:] {
		texts = append(texts, e.text(false))
	}
	return expr{cel: "[" + strings.Join(texts, ", ") + "].join(" + a[0].text(false) + ")", kind: textValue}, nil
}

// replace folds the replacement into the layout of a time where it touches what separates its parts only.
func replace(a []expr) (expr, error) {
	old, with := a[1], a[2]
	if a[0].layout != "" && old.constant && with.constant && isSeparator(old.literal) && isSeparator(with.literal) {
		return timeText(a[0].from, strings.ReplaceAll(a[0].layout, old.literal, with.literal)), nil
	}
	if old.constant && old.literal == "" {
		return a[0], nil // MySQL replaces nothing then
	}
	return expr{cel: fmt.Sprintf("%s.replace(%s, %s)", a[0].text(false), old.text(false), with.text(false)), kind: textValue}, nil
}

// isSeparator reports whether text means itself in a layout.
func isSeparator(text string) bool {
	return strings.Trim(text, " T-/:._") == ""
}

// plainNumber is a constant that counts something; what is longer than any text is as long as that.
func plainNumber(e expr) (int, error) {
	n, err := strconv.Atoi(e.literal)
	if !e.constant || err != nil || n < 0 {
		return 0, errors.New("is carried over with plain numbers for place and length only")
	}
	return min(n, maxFunction), nil
}

// sized makes a function of a text and a number.
func sized(format string) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) {
		n, err := plainNumber(a[1])
		return expr{cel: fmt.Sprintf(format, a[0].text(false), strconv.Itoa(n)), kind: textValue}, err
	}
}

// substring counts from 1. Beyond the end there is nothing.
func substring(a []expr) (expr, error) {
	from, err := plainNumber(a[1])
	length, errLength := maxFunction, error(nil)
	if len(a) == 3 {
		length, errLength = plainNumber(a[2])
	}
	if err = errors.Join(err, errLength); err != nil || from == 0 {
		return expr{}, cmp.Or(err, errors.New("counts from 1"))
	}
	if from == 1 {
		return expr{cel: fmt.Sprintf("%s.left(%d)", a[0].text(false), length), kind: textValue}, nil
	}
	return expr{
		cel:  fmt.Sprintf(`cel.bind(t, %s.left(%d), size(t) > %d ? t.substring(%d) : "")`, a[0].text(false), from-1+length, from-1, from-1),
		kind: textValue,
	}, nil
}

// locate counts from 1; 0 is nowhere.
func locate(text, wanted expr) expr {
	return expr{cel: fmt.Sprintf("%s.indexOf(%s) + 1", text.text(false), wanted.text(false)), kind: wholeValue, loose: true}
}

// pad cuts text that is longer than the width, as MySQL does.
func pad(format string) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) {
		n, err := plainNumber(a[1])
		return expr{cel: fmt.Sprintf(format, a[0].text(false), strconv.Itoa(n), a[2].text(false)), kind: textValue}, err
	}
}

func coalesce(a []expr) (expr, error) {
	results, kind := alike(a)
	var texts []string
	for _, e := range results {
		texts = append(texts, e.cel)
	}
	return expr{cel: "coalesce(" + strings.Join(texts, ", ") + ")", kind: kind}, nil
}

func nullIf(a []expr) (expr, error) {
	return choose(truthExpr(equals(a[0], a[1])).tight(), expr{cel: "null", kind: nullValue}, a[0]), nil
}

// numeric makes a function of one decimal.
func numeric(name string) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) { return expr{cel: name + "(" + exact(a[0]) + ")", kind: numberValue}, nil }
}

// extreme makes greatest or least, of numbers as MySQL does where one is a number.
func extreme(name string) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) {
		var values []string
		for _, e := range a {
			values = append(values, exact(e))
		}
		return expr{cel: name + "(" + strings.Join(values, ", ") + ")", kind: numberValue}, nil
	}
}

// exact is a number as a decimal, for functions that take no other.
func exact(e expr) string {
	n := e.number()
	if n.kind == wholeValue {
		return "decimal(" + n.cel + ")"
	}
	return n.cel
}

// round rounds half away from zero (四舍五入), or as the mode says.
func round(mode string) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) {
		digits := 0
		if len(a) == 2 {
			var err error
			if digits, err = plainNumber(a[1]); err != nil || digits > 30 {
				return expr{}, errors.New("is carried over with a plain number of digits only")
			}
		}
		return expr{cel: fmt.Sprintf("round(%s, %d%s)", exact(a[0]), digits, mode), kind: numberValue}, nil
	}
}

// instant is what the time functions take: the time itself where it was put as text before.
func (e expr) instant() string {
	if e.from != "" && strings.Contains(e.layout, "ss") {
		return e.from
	}
	return e.cel
}

// The parts of a format of MySQL.
var dateWords = strings.NewReplacer("%Y", "yyyy", "%m", "MM", "%d", "dd", "%H", "HH", "%k", "HH", "%i", "mm", "%s", "ss", "%S", "ss", "%T", "HH:mm:ss", "%%", "%")

func layoutOf(format expr) (string, error) {
	layout := dateWords.Replace(format.literal)
	if !format.constant || strings.Contains(layout, "%") {
		return "", fmt.Errorf("the format %s is carried over with %%Y %%m %%d %%H %%i %%s only", shorten(format.literal))
	}
	return layout, nil
}

func dateFormat(a []expr) (expr, error) {
	layout, err := layoutOf(a[1])
	return timeText(a[0].instant(), layout), err
}

// ofTime makes a function of times that gives a whole number.
func ofTime(format string, n int) func([]expr) (expr, error) {
	return func(a []expr) (expr, error) {
		var times []any
		for _, e := range a[:n] {
			times = append(times, e.instant())
		}
		return expr{cel: fmt.Sprintf(format, times...), kind: wholeValue}, nil
	}
}

func fromUnix(a []expr) (expr, error) {
	at := "from_unix(" + a[0].cel + ")"
	if len(a) == 1 {
		return timeText(at, layoutSecond), nil
	}
	layout, err := layoutOf(a[1])
	return timeText(at, layout), err
}

func parseDate(a []expr) (expr, error) {
	layout, err := layoutOf(a[1])
	return timeText(fmt.Sprintf("datetime(%s, %s)", a[0].text(false), quote(layout)), layoutSecond), err
}

// cast reads CAST(x AS type) and CONVERT(x, type).
func (f *functionParser) cast(name string, depth int) expr {
	e := f.choice(depth + 1)
	if name == "CAST" {
		f.must("AS")
	} else {
		f.must(",")
	}
	kind := f.tokens[0]
	if kind.kind != tokenWord {
		return f.fail("%s names no type", name)
	}
	f.tokens = f.tokens[1:]
	var size []expr
	if _, ok := f.take("("); ok {
		size = f.arguments(depth)
	}
	f.take("INTEGER")
	f.must(")")
	switch {
	case f.err != nil:
		return expr{}
	case kind.is("CHAR", "NCHAR"):
		return expr{cel: e.text(false), kind: textValue, lookup: e.lookup}
	case kind.is("SIGNED", "UNSIGNED", "INT", "INTEGER"):
		return expr{cel: "int(round(" + exact(e) + ", 0))", kind: wholeValue, lookup: e.lookup}
	case kind.is("DECIMAL"):
		digits := "0"
		if len(size) == 2 && size[1].constant && isWhole(size[1].literal) {
			digits = size[1].literal
		}
		return expr{cel: "round(" + exact(e) + ", " + digits + ")", kind: numberValue, lookup: e.lookup}
	case kind.is("DATE"):
		return timeText(e.instant(), layoutDay)
	case kind.is("DATETIME"):
		return timeText(e.instant(), layoutSecond)
	default:
		return f.fail("%s to %s has no counterpart", name, shorten(kind.text))
	}
}

// intervals are the functions that add a length of time, with how many of their units one is.
var intervals = map[string]struct {
	add  string
	unit int
}{
	"SECOND": {"add_seconds", 1}, "MINUTE": {"add_seconds", 60}, "HOUR": {"add_seconds", 3600},
	"DAY": {"add_days", 1}, "WEEK": {"add_days", 7}, "MONTH": {"add_months", 1}, "QUARTER": {"add_months", 3}, "YEAR": {"add_months", 12},
}

// shift reads DATE_ADD(x, INTERVAL n unit).
func (f *functionParser) shift(name string, depth int) expr {
	e := f.choice(depth + 1)
	f.must(",")
	f.must("INTERVAL")
	n := f.sum(depth)
	unit := f.tokens[0]
	f.take(unit.text)
	f.must(")")
	interval, known := intervals[strings.ToUpper(unit.text)]
	count, err := plainNumber(n)
	switch {
	case f.err != nil:
		return expr{}
	case !known || err != nil:
		return f.fail("%s is carried over with a plain number of seconds, minutes, hours, days, weeks, months or years only", name)
	}
	if name == "DATE_SUB" {
		count = -count
	}
	return timeText(fmt.Sprintf("%s(%s, %d)", interval.add, e.instant(), count*interval.unit), layoutSecond)
}

// aggregate reads SUM({{list.field}}) and its like: what is computed over the lines of a list.
func (f *functionParser) aggregate(name string) expr {
	t := f.tokens[0]
	text := t.text
	if m := reference.FindStringSubmatchIndex(text); t.kind == tokenText && m != nil && m[0] == 0 && m[1] == len(text) {
		t.kind, text = tokenField, inner(text, m)
	}
	if t.kind != tokenField {
		return f.fail("%s is carried over for a field of the lines only, {{list.field}}", name)
	}
	f.tokens = f.tokens[1:]
	f.must(")")
	steps, err := splitPath(text)
	switch {
	case f.err != nil:
		return expr{}
	case err != nil:
		return f.fail("%s: %w", name, err)
	case slices.ContainsFunc(f.lists, func(l string) bool { return l == strings.Join(steps[:max(len(steps)-1, 1)], ".") }):
		return f.fail("%s over the lines of a list within one of them has no counterpart", name)
	case name == "COUNT" && len(steps) == 1:
		return expr{cel: "size(record" + path(steps) + ")", kind: wholeValue}
	case name == "COUNT":
		return expr{cel: "size(record" + path(steps[:len(steps)-1]) + ")", kind: wholeValue}
	case len(steps) == 1:
		return f.fail("%s is carried over for a field of the lines only, {{list.field}}", name)
	default:
		last := len(steps) - 1
		return expr{cel: fmt.Sprintf("%s(record%s, decimal(item%s))", strings.ToLower(name), path(steps[:last]), path(steps[last:])), kind: numberValue}
	}
}
