package importing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// field is one entry of a document: a name with an expression, or with fields below it. One without a
// name holds findings only.
type field struct {
	name string
	// text is what stands behind the name: an expression, or a value of a request.
	text string
	// each and fields make a list or a nested message of it; nested tells, for there may be none.
	each   string
	fields []*field
	nested bool
	// plain is set for values that are YAML already.
	plain bool
	// required is set where the contract wants a value: the entry is never left out then.
	required bool
	// origin is where it comes from in the metadata.
	origin   Finding
	findings []Finding
}

// add appends a field and returns it.
func (f *field) add(below *field) *field {
	f.fields = append(f.fields, below)
	return below
}

// named returns the field of that name, nil when there is none.
func named(fields []*field, name string) *field {
	i := slices.IndexFunc(fields, func(f *field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return fields[i]
}

// all returns the findings of a field and of those below it, with their paths.
func (f *field) all(prefix string) []Finding {
	var found []Finding
	for _, one := range f.findings {
		one.Path = prefix + f.name
		if f.name == "" {
			one.Path = strings.TrimRight(prefix, ".")
		}
		found = append(found, one)
	}
	for _, below := range f.fields {
		found = append(found, below.all(prefix+f.name+".map.")...)
	}
	return found
}

// drop takes the value away from a field, for a reason. What the contract wants becomes null: such a
// record is dead, with the name of the field, until somebody writes the expression.
func (f *field) drop(why Finding) {
	f.findings = append(slices.DeleteFunc(f.findings, func(o Finding) bool { return o.Kind == Handled }), why)
	f.text, f.each, f.fields, f.nested = "", "", nil, false
	if f.required {
		f.text = "null"
	}
}

// write writes a field with its findings as comments.
func (f *field) write(b *strings.Builder, indent string) {
	for _, one := range f.findings {
		fmt.Fprintf(b, "%s%s\n", indent, one.comment())
	}
	switch {
	case f.name == "":
	case f.nested:
		fmt.Fprintf(b, "%s%s:\n", indent, yamlKey(f.name))
		if f.each != "" {
			fmt.Fprintf(b, "%s  each: %s\n", indent, yamlExpression(f.each))
		}
		if len(f.fields) == 0 || !slices.ContainsFunc(f.fields, (*field).written) {
			fmt.Fprintf(b, "%s  map: {}\n", indent)
			indent += "    "
		} else {
			fmt.Fprintf(b, "%s  map:\n", indent)
			indent += "    "
		}
		for _, below := range f.fields {
			below.write(b, indent)
		}
	case f.plain:
		fmt.Fprintf(b, "%s%s: %s\n", indent, yamlKey(f.name), f.text)
	case f.text != "":
		fmt.Fprintf(b, "%s%s: %s\n", indent, yamlKey(f.name), yamlExpression(f.text))
	}
}

// written reports whether a field is more than its findings.
func (f *field) written() bool { return f.name != "" && (f.nested || f.text != "") }

var (
	// plainText can stand in YAML as it is; plainName may be no word that YAML reads otherwise.
	plainText = regexp.MustCompile(`^[A-Za-z_\p{Han}(][^\n]*$`)
	plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	// otherWords are read as something else than text.
	otherWords = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n|nan|inf|\.nan|\.inf)$`)
)

// yamlExpression writes an expression as a value: plain where it can be, else in the quotes that it
// does not hold.
func yamlExpression(text string) string {
	if plainText.MatchString(text) && !otherWords.MatchString(text) && !strings.Contains(text, ": ") && !strings.Contains(text, " #") &&
		!strings.HasSuffix(text, ":") && !strings.HasSuffix(text, " ") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// yamlText writes a text as a value that stays text.
func yamlText(text string) string {
	if plainText.MatchString(text) && !otherWords.MatchString(text) && !strings.ContainsAny(text, ":#,[]{}\"'&*!|>%@`\\") && strings.TrimSpace(text) == text {
		return text
	}
	return quote(text)
}

func yamlKey(name string) string {
	if plainName.MatchString(name) && !otherWords.MatchString(name) {
		return name
	}
	return quote(name)
}
