package wangdiantong

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Layout is how the vendor writes a time: a wall clock without a zone (documented).
const Layout = "2006-01-02 15:04:05"

// Location is the zone of every time on the wire, Asia/Shanghai (documented): +08:00 without
// daylight saving since 1991, so that no zone database is needed.
var Location = time.FixedZone("Asia/Shanghai", 8*60*60)

// flagshipEpoch is where the flagship edition's seconds begin, in Unix seconds: 2012-01-01
// 00:00:00 in Location (documented).
const flagshipEpoch = 1325347200

// FormatTime writes t as the vendor's parameters want it, cut to the second.
func FormatTime(t time.Time) string { return t.In(Location).Format(Layout) }

// clockTime reads what the vendor's clock says. Its form is not documented (assumed): text in
// Layout, or a whole number of ms or seconds since 1970, or of seconds since 2012, which their
// sizes tell apart until 2050.
func clockTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.ParseInLocation(Layout, text, Location); err == nil {
		return t, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n <= 0:
		return time.Time{}, fmt.Errorf("the clock's answer is neither of the form %s nor a number", Layout)
	case n >= 100_000_000_000:
		return time.UnixMilli(n).In(Location), nil
	case n >= 1_200_000_000:
		return time.Unix(n, 0).In(Location), nil
	default:
		return time.Unix(n+flagshipEpoch, 0).In(Location), nil
	}
}
