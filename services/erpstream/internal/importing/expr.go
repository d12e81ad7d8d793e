package importing

import (
	"fmt"
	"strings"
)

// valueKind is what an expression gives, as far as it is known.
type valueKind int

const (
	// anyValue comes from a record: text, a number, or null.
	anyValue valueKind = iota
	textValue
	wholeValue
	numberValue
	truthValue
	timeValue
	nullValue
)

// expr is an expression of the mapping language.
type expr struct {
	cel  string
	kind valueKind
	// loose is set for what needs brackets beside an operator.
	loose bool
	// literal is the text of a constant; constant tells that it is one.
	literal  string
	constant bool
	// from and layout are set for a time that is put as text: what is formatted, and how.
	from, layout string
	// lookup is set where a look-up is in it, quoted where it stands in quotes in a function.
	lookup, quoted bool
}

// The layouts that the platform's formats stand for.
const (
	layoutSecond = "yyyy-MM-dd HH:mm:ss"
	layoutDay    = "yyyy-MM-dd"
)

func textLiteral(text string) expr {
	return expr{cel: quote(text), kind: textValue, literal: text, constant: true}
}

// numberLiteral is a number as it is written; decimals never become floating point.
func numberLiteral(text string) expr {
	if isWhole(text) {
		return expr{cel: text, kind: wholeValue, literal: text, constant: true}
	}
	return expr{cel: "decimal(" + quote(text) + ")", kind: numberValue, literal: text, constant: true}
}

func truthExpr(cel string) expr { return expr{cel: cel, kind: truthValue, loose: true} }

// timeText is a time of the record in a layout.
func timeText(from, layout string) expr {
	cel := "date(" + from + ")"
	if layout != layoutDay {
		cel = fmt.Sprintf("format_time(%s, %s)", from, quote(layout))
	}
	return expr{cel: cel, kind: textValue, from: from, layout: layout}
}

// tight returns the expression in brackets where an operator could tear it apart.
func (e expr) tight() string {
	if e.loose {
		return "(" + e.cel + ")"
	}
	return e.cel
}

// text returns the expression as text. The platform puts "" for null; where the text identifies
// something, strict leaves null an error, which names the field.
func (e expr) text(strict bool) string {
	switch e.kind {
	case textValue:
		return e.tight()
	case timeValue:
		return timeText(e.cel, layoutSecond).cel
	case truthValue:
		return "(" + e.tight() + ` ? "1" : "0")`
	case nullValue:
		return `""`
	case anyValue:
		if !strict && !e.lookup {
			return fmt.Sprintf(`string(default(%s, ""))`, e.cel)
		}
	case wholeValue, numberValue:
		if e.constant {
			return quote(e.literal)
		}
	}
	return "string(" + e.cel + ")"
}

// number returns the expression as a number.
func (e expr) number() expr {
	switch {
	case e.kind == wholeValue || e.kind == numberValue:
		return e
	case e.constant && isNumber(strings.TrimSpace(e.literal)):
		return numberLiteral(strings.TrimSpace(e.literal))
	case e.kind == truthValue:
		return expr{cel: e.tight() + " ? 1 : 0", kind: wholeValue, loose: true}
	default:
		return expr{cel: "decimal(" + e.cel + ")", kind: numberValue, lookup: e.lookup}
	}
}

// time returns the expression as an instant.
func (e expr) time() expr {
	switch {
	case e.kind == timeValue:
		return e
	case e.from != "" && strings.Contains(e.layout, "ss"):
		return expr{cel: "datetime(" + e.from + ")", kind: timeValue}
	default:
		return expr{cel: "datetime(" + e.cel + ")", kind: timeValue, lookup: e.lookup}
	}
}

// truth returns the expression as a condition, as MySQL sees it: 0, "" and null are false.
func (e expr) truth() string {
	switch e.kind {
	case truthValue:
		return e.tight()
	case wholeValue, numberValue:
		return "(" + e.tight() + " != 0)"
	default:
		return fmt.Sprintf(`!(%s in [null, "", "0", 0, false])`, e.tight())
	}
}

// alike brings the results of a choice to one type, which a condition must not change: numbers to
// decimals, and what is of several kinds to text.
func alike(results []expr) ([]expr, valueKind) {
	kind := commonKind(results)
	same := make([]expr, len(results))
	for i, r := range results {
		same[i] = r
		switch {
		case r.kind == kind || r.kind == nullValue && kind != textValue:
		case kind == textValue:
			same[i].cel, same[i].loose = r.text(false), false
		case kind == numberValue || kind == anyValue && r.kind == wholeValue:
			same[i].cel, same[i].loose = exact(r), false
		}
	}
	return same, kind
}

// commonKind is the kind that results of several kinds have in common.
func commonKind(results []expr) valueKind {
	kind, open, null := nullValue, false, false
	for _, r := range results {
		switch {
		case r.kind == nullValue:
			null = true
		case r.kind == anyValue:
			open = true
		case kind == nullValue || kind == r.kind:
			kind = r.kind
		case isNumeric(r) && (kind == wholeValue || kind == numberValue):
			kind = numberValue
		default:
			return textValue
		}
	}
	switch {
	case open && !(null && kind == textValue):
		return anyValue
	case null && kind == wholeValue:
		return numberValue // a whole number is never null
	case null && kind == truthValue:
		return textValue
	default:
		return kind
	}
}

// choose is condition ? yes : no.
func choose(condition string, yes, no expr) expr {
	results, kind := alike([]expr{yes, no})
	return expr{
		cel: condition + " ? " + results[0].tight() + " : " + results[1].tight(), kind: kind, loose: true, lookup: yes.lookup || no.lookup,
	}
}

// equals compares as the platform does, for which 80 and "80" are one value.
func equals(a, b expr) string {
	if a.constant && !b.constant {
		a, b = b, a
	}
	switch {
	case a.kind == anyValue && b.constant && b.literal == "":
		return a.tight() + ` in [null, ""]`
	case a.kind == anyValue && b.constant && isWhole(b.literal):
		return fmt.Sprintf("%s in [%s, %s]", a.tight(), quote(b.literal), b.literal)
	case a.kind == anyValue && b.constant && b.kind == textValue:
		return a.tight() + " == " + b.cel
	case a.kind == nullValue || b.kind == nullValue:
		return a.tight() + " == " + b.tight()
	case isNumeric(a) || isNumeric(b):
		return a.number().tight() + " == " + b.number().tight()
	case a.kind == timeValue && b.kind == timeValue:
		return a.tight() + " == " + b.tight()
	default:
		return a.text(false) + " == " + b.text(false)
	}
}

func isNumeric(e expr) bool { return e.kind == wholeValue || e.kind == numberValue }

// join puts texts together, adjacent constants as one.
func join(parts []expr, strict bool) expr {
	var texts []string
	constant, whole := "", true
	flush := func() {
		if constant != "" {
			texts = append(texts, quote(constant))
		}
		constant = ""
	}
	e := expr{kind: textValue}
	for _, p := range parts {
		if p.constant {
			constant += p.literal
			continue
		}
		whole = false
		flush()
		texts = append(texts, p.text(strict))
		e.lookup = e.lookup || p.lookup
	}
	if whole {
		return textLiteral(constant)
	}
	flush()
	e.cel, e.loose = strings.Join(texts, " + "), len(texts) > 1
	return e
}
