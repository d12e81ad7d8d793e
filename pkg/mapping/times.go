package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// commonLayouts are the forms of time that vendors send; a fraction of a second may follow any
// of them that has seconds.
var commonLayouts = []string{
	time.DateTime,
	time.RFC3339Nano,
	time.DateOnly,
	"2006-01-02T15:04:05",
	"2006-01-02 15:04",
	"2006/01/02 15:04:05",
	"2006/01/02",
}

// EpochMS is the layout of a feed whose times are milliseconds since 1970, as a number or as text.
const EpochMS = "epoch-ms"

// times reads and writes the times of a record.
type times struct {
	zone    *time.Location
	layouts []string
	epochMS bool
	// dateTimeFirst is set when time.DateTime is the first form that is tried.
	dateTimeFirst bool
}

// newTimes tries layouts before the common forms; a nil zone is Asia/Shanghai.
func newTimes(zone *time.Location, layouts []string) times {
	if zone == nil {
		zone = time.FixedZone("Asia/Shanghai", 8*60*60)
	}
	all := slices.Concat(layouts, commonLayouts)
	first := slices.IndexFunc(all, func(layout string) bool { return layout != EpochMS })
	return times{zone: zone, layouts: all, epochMS: slices.Contains(layouts, EpochMS), dateTimeFirst: all[first] == time.DateTime}
}

// datetime is the function of that name: an instant, null for null, "" and the dates that stand
// for no time: year 0000, 0001-01-01 of .NET, 9999-12-01 of 旺店通 (seen in a sister product).
func (t times) datetime(v ref.Val) ref.Val {
	switch v := v.(type) {
	case null, types.Null:
		return types.NullValue
	case types.Timestamp:
		return v
	case types.String:
		return t.parse(strings.TrimSpace(string(v)))
	case *number:
		if at, ok := t.millis(v.literal); ok {
			return at
		}
		return types.NewErr("datetime: a number is no time: text in a form such as 2006-01-02 15:04:05 is")
	default:
		return types.NewErr("datetime: %s is no time: text in a form such as 2006-01-02 15:04:05 is", kindOf(v))
	}
}

// isZeroDate reports whether text is one of the dates that stand for no time.
func isZeroDate(text string) bool {
	return text == "" || strings.HasPrefix(text, "0000-00-00") || strings.HasPrefix(text, "0001-01-01") || strings.HasPrefix(text, "9999-12-01")
}

func (t times) parse(text string) ref.Val {
	if isZeroDate(text) {
		return types.NullValue
	}
	if at, ok := t.millis(text); ok {
		return at
	}
	for _, layout := range t.layouts {
		if at, err := time.ParseInLocation(layout, text, t.zone); err == nil {
			return types.Timestamp{Time: at}
		}
	}
	return types.NewErr("datetime: %q is no time in a known form, such as 2006-01-02 15:04:05", shorten(text))
}

// millis reads milliseconds since 1970, where the feed writes times so.
func (t times) millis(text string) (ref.Val, bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !t.epochMS {
		return nil, false
	}
	return types.Timestamp{Time: time.UnixMilli(ms)}, true
}

var layoutWords = strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", ".SSS", ".000", ",SSS", ",000")

// translateLayout turns yyyy-MM-dd HH:mm:ss into a layout of package time. Other letters and
// digits are refused: they would come out as something else.
func translateLayout(layout string) (string, error) {
	rest := layout
	for _, word := range []string{"yyyy", "MM", "dd", "HH", "mm", "ss", ".SSS", ",SSS"} {
		rest = strings.ReplaceAll(rest, word, "")
	}
	for i := range len(rest) {
		if c := rest[i]; isLetter(c) && c != 'T' && c != '_' || '0' <= c && c <= '9' {
			return "", fmt.Errorf("%q in layout %q is none of yyyy MM dd HH mm ss .SSS", c, layout)
		}
	}
	return layoutWords.Replace(layout), nil
}

// shorten keeps errors readable when a value is a whole text.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}
