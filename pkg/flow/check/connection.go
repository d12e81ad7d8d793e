package check

import (
	"maps"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow"
)

// settings are what the systems of this release read of a connection besides secrets. A name that
// ends in a dot stands for all names that begin so.
var settings = map[string][]string{
	"jushuitan": {"allow_http", "app", "app_key", "auth_path"},
	"wangdiantong": {
		"allow_http", "app_key", "edition", "rate_wait", "sid", "sign_length", "sign_method", "target_app_key", "top_app_key", "transport",
	},
	"kingdee": {"account_id", "allow_http", "app_key", "booking_longest", "booking_settle", "client_id", "domain", "in_flight", "outer_instance_id"},
	"kis": {
		"account_db", "account_id", "allow_http", "app_key", "auth", "booking_longest", "booking_settle", "client_id", "domain", "entry.", "head.",
		"in_flight", "outer_instance_id", "search_pages", "search_slack_days", "wrap",
	},
	"mysql": {"tls", "user"},
}

// Settings returns the names of the settings that connections of a system may have besides secrets, sorted;
// one that ends in a dot stands for all names that begin so. ok is false for a system of another team.
func Settings(system string) (names []string, ok bool) {
	names, ok = settings[system]
	return slices.Clone(names), ok
}

// checkConnection refuses settings that nobody would read: most are misspelt. What a system of another
// team reads is its own business.
func checkConnection(c flow.Connection) []error {
	known, ours := settings[c.System]
	if !ours {
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		reads := func(k string) bool { return name == k || strings.HasSuffix(k, ".") && strings.HasPrefix(name, k) }
		if !slices.ContainsFunc(known, reads) {
			errs = append(errs, c.Fault("settings."+name, "unknown setting %q of %s%s", name, c.System, flow.DidYouMean(name, known)))
		}
	}
	return errs
}
