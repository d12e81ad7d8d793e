package importing

import (
	"fmt"
	"regexp"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/contract"
)

// fit makes of an expression one that its field takes.
func (im *importer) fit(f *field, fd protoreflect.FieldDescriptor, e expr, p param) (string, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		if isTime(fd) {
			return e.time().cel, nil
		}
		return e.cel, nil
	case protoreflect.StringKind:
		return im.fitText(f, fd, e, p), nil
	case protoreflect.BoolKind:
		switch {
		case e.constant && (e.literal == "true" || e.literal == "1"):
			return "true", nil
		case e.constant && (e.literal == "false" || e.literal == "0"):
			return "false", nil
		case e.constant:
			return "", fmt.Errorf("%q is neither true nor false", shorten(e.literal))
		case e.kind == anyValue:
			return e.cel, nil
		default:
			return e.truth(), nil
		}
	default:
		return fitNumber(e)
	}
}

func fitNumber(e expr) (string, error) {
	switch {
	case e.kind == anyValue || e.kind == wholeValue || e.kind == numberValue || e.kind == nullValue:
		return e.cel, nil
	case e.constant && isNumber(strings.TrimSpace(e.literal)):
		return e.number().cel, nil
	case e.constant:
		return "", fmt.Errorf("%q is no number", shorten(e.literal))
	default:
		return e.number().cel, nil
	}
}

// fitText puts a text into the form that the contract wants: vendors take a day where the platform
// sends a time.
func (im *importer) fitText(f *field, fd protoreflect.FieldDescriptor, e expr, p param) string {
	if layout := wantedLayout(fd); layout != "" && !e.constant {
		switch {
		case e.layout == layout:
		case e.from != "" && strings.Contains(e.layout, "ss"):
			return timeText(e.from, layout).cel
		case e.kind == anyValue && !e.lookup || e.kind == timeValue:
			f.findings = append(f.findings, finding(Handled, im.target.file, p.at, p.shown(), "the contract wants "+layout))
			return timeText(e.cel, layout).cel
		}
	}
	decimal := strings.HasPrefix(strings.ToUpper(contract.Column(fd).GetType()), "DECIMAL")
	switch e.kind {
	case anyValue, nullValue, textValue, numberValue:
		return e.cel
	case wholeValue:
		if decimal {
			return e.cel
		}
	}
	return e.text(false)
}

// The layouts that a contract may want of a text, with an example each.
var layouts = []struct{ layout, example string }{
	{layoutSecond, "2024-06-03 14:21:37"}, {"yyyy-MM-ddTHH:mm:ss", "2024-06-03T14:21:37"}, {layoutDay, "2024-06-03"},
}

// wantedLayout returns the one layout that the contract of a text takes, "" when it takes others too.
func wantedLayout(fd protoreflect.FieldDescriptor) string {
	rules, err := protovalidate.ResolveFieldRules(fd)
	if err != nil || rules.GetString().GetPattern() == "" {
		return ""
	}
	pattern, err := regexp.Compile(rules.GetString().GetPattern())
	if err != nil || pattern.MatchString("x") || pattern.MatchString("20240603") {
		return ""
	}
	wanted := ""
	for _, l := range layouts {
		switch {
		case !pattern.MatchString(l.example):
		case wanted != "":
			return ""
		default:
			wanted = l.layout
		}
	}
	return wanted
}
