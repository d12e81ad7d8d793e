package jushuitan

import (
	"fmt"
	"strings"
	"time"
)

// Layout is how the vendor writes a time: a wall clock without a zone (documented).
const Layout = "2006-01-02 15:04:05"

// Location is the zone of every time on the wire, Asia/Shanghai (documented): +08:00
// without daylight saving, so that no zone database is needed.
var Location = time.FixedZone("Asia/Shanghai", 8*60*60)

// FormatTime writes t as the vendor's parameters want it, cut to the second.
func FormatTime(t time.Time) string { return t.In(Location).Format(Layout) }

// ParseTime reads a time of the vendor, with or without a fraction of a second (shops
// carry milliseconds). "" is the zero time: the vendor writes "", null or nothing alike.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(Layout, s, Location)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q is not of the form %s", s, Layout)
	}
	return t, nil
}
