package topology_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/topology"
)

func TestRolesHaveTheirOwnInboxes(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range topology.Roles(topology.Scope{}) {
		if want := []string{topology.InboxPrefix(topology.Program(r.Name)) + ".>"}; !slices.Equal(r.Subscribe, want) {
			t.Errorf("%s subscribes to %q, want %q", r.Name, r.Subscribe, want)
		}
		if seen[r.Name] || r.Purpose == "" || !slices.IsSorted(r.Publish) || len(slices.Compact(slices.Clone(r.Publish))) != len(r.Publish) {
			t.Errorf("role %s is twice, says not what it is for, or has a subject twice", r.Name)
		}
		seen[r.Name] = true
	}
}

// TestAScopeLeavesNoNameOpen looks for wildcards where the names of consumers and connections are.
func TestAScopeLeavesNoNameOpen(t *testing.T) {
	roles := topology.Roles(topology.Scope{
		Polled: map[string][]string{"kis": {"kis-main"}}, Sources: map[string][]string{"kis": {"units"}},
		Written: map[string][]string{"mysql": {"bi", "dwh"}}, Flows: []string{"to-bi", "to-dwh"},
	})
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
		if r.Name != "poller-kingdee" && r.Name != "sink-mysql" {
			continue
		}
		for _, subject := range r.Publish {
			durable := strings.Contains(subject, ".POLLS.*") || strings.Contains(subject, ".TARGET.*")
			if durable || strings.HasPrefix(subject, "poll.*") || strings.HasPrefix(subject, "window.*") || strings.HasPrefix(subject, "$KV.tokens.*") {
				t.Errorf("%s may publish on %s", r.Name, subject)
			}
		}
	}
	if want := []string{"poller-kingdee", "transformer", "sink-mysql", "watchdog", "operator", "provision", "backup"}; !slices.Equal(names, want) {
		t.Errorf("roles %q, want %q", names, want)
	}
}

func TestSubscribers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		streams []string
		want    string // what the error says; empty: there is none
	}{
		{"bi", []string{topology.Raw, topology.Ledger}, ""},
		{"bi", nil, "reads no stream"},
		{"bi", []string{"raw"}, "is not one that other teams read"},
		{"bi", []string{topology.Polls}, "is not one that other teams read"},
		{"bi", []string{topology.BucketStream(topology.BucketTokens)}, "is not one that other teams read"},
		{"B I", []string{topology.Raw}, "must begin with a lower case letter"},
	} {
		r, err := topology.SubscriberRole(tt.name, tt.streams...)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s reads %q: %v, want %q", tt.name, tt.streams, err, tt.want)
		}
		for _, subject := range r.Publish {
			if !strings.HasPrefix(subject, "$JS.") {
				t.Errorf("%s may publish on %s", tt.name, subject)
			}
		}
	}
}
