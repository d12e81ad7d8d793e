package up

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
)

// The sandbox's data ends at a fixed day, so that the same seed makes the same documents.
const anchor = "2026-11-01T00:00:00+08:00"

// How many documents a feed has when nobody says: as many as the database takes in seconds.
const (
	recordsOfServer   = 2000
	recordsOfEmbedded = 200
)

// startSandbox starts the sandbox when a connection leads there, and waits until it answers.
func (m *machine) startSandbox(ctx context.Context) error {
	if !needsSandbox(m.Documents) && !m.db.forgetful {
		return nil
	}
	address, err := m.address(sandboxPort)
	if err != nil {
		return err
	}
	args := []string{
		"--listen", address, "--data", filepath.Join(m.Data, "sandbox"),
		"--anchor", anchor,
		"--edits", strconv.Itoa(m.Edits), "--edit-rate", strconv.FormatFloat(m.EditRate, 'f', -1, 64),
	}
	args = append(args, sandboxLimits(m.Documents)...)
	args = append(args, "--edit-feeds", strings.Join(editedFeeds(m.Documents), ","))
	if records := m.records(); records > 0 {
		args = append(args, "--records", strconv.Itoa(records))
	}
	if m.Seed > 0 {
		args = append(args, "--seed", strconv.FormatUint(m.Seed, 10))
	}
	if m.db.forgetful {
		args = append(args, "--mysql-listen", m.db.Addr)
	}
	c, err := m.newChild("sandbox", 0, append(args, m.SandboxArgs...), nil)
	if err != nil {
		return err
	}
	m.start(c)
	m.sandboxAddress = address
	m.sandbox = "http://" + address + "/_sandbox/"
	return m.awaitSandbox(ctx, c)
}

// records is how many documents each feed of the sandbox has; 0 stands for as many as it has
// already.
func (m *machine) records() int {
	_, err := os.Stat(filepath.Join(m.Data, "sandbox"))
	switch {
	case m.Records > 0:
		return m.Records
	case err == nil:
		return 0
	case m.db.forgetful:
		return recordsOfEmbedded
	default:
		return recordsOfServer
	}
}

func (m *machine) awaitSandbox(ctx context.Context, c *child) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := getJSON(ctx, m.sandbox, nil)
		if err == nil {
			return nil
		}
		if died := c.died.Load(); died != nil {
			return *died
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the sandbox does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// editsLeft is how many documents the sandbox is still going to edit.
func (m *machine) editsLeft(ctx context.Context) (int, error) {
	if m.sandbox == "" {
		return 0, nil
	}
	var stats struct {
		Left int `json:"edits_remaining"`
	}
	err := getJSON(ctx, m.sandbox+"stats", &stats)
	return stats.Left, err
}

// sandboxAhead is how far the sandbox's clock was told to go ahead of ours: its documents bear the times
// of that clock.
func (m *machine) sandboxAhead() time.Duration {
	for _, arg := range m.SandboxArgs {
		if text, ok := strings.CutPrefix(arg, "--clock-offset="); ok {
			ahead, _ := time.ParseDuration(text) // where it is none the sandbox says so
			return ahead
		}
	}
	return 0
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func needsSandbox(docs []flow.Document) bool {
	for _, d := range docs {
		if d.Connection != nil && d.Connection.Sandbox() {
			return true
		}
	}
	return false
}

// edited names the documents of the sandbox that a feed reads, of those that it can edit without
// anybody's harm: what is booked at KIS can't be changed there any more.
var edited = map[string]string{
	"jushuitan.purchasein": "purchasein", "jushuitan.purchasein-wms": "purchasein",
	"wangdiantong.stockin": "stockin", "wangdiantong.flagship-refund": "refund",
}

// editedFeeds are the documents that somebody polls: others would never be edited.
func editedFeeds(docs []flow.Document) []string {
	var names []string
	for _, d := range docs {
		if d.Source != nil && edited[d.Source.Feed] != "" {
			names = append(names, edited[d.Source.Feed])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sandboxLimits are arguments that make the sandbox allow what its connections are told to keep to,
// where that is more than what the vendors allow.
func sandboxLimits(docs []flow.Document) []string {
	budgets := map[string]flow.Budget{}
	for _, d := range docs {
		if c := d.Connection; c != nil && c.Sandbox() {
			b := budgets[c.System]
			budgets[c.System] = flow.Budget{PerSecond: max(b.PerSecond, c.Budget.PerSecond), PerMinute: max(b.PerMinute, c.Budget.PerMinute)}
		}
	}
	var args []string
	for _, limit := range []struct {
		flag         string
		allowed, own int
	}{
		{"--per-second", 5, budgets["jushuitan"].PerSecond},
		{"--per-minute", 100, budgets["jushuitan"].PerMinute},
		{"--wdt-per-minute", 60, budgets["wangdiantong"].PerMinute},
		{"--xingchen-per-minute", 500, budgets["kingdee"].PerMinute},
		{"--kis-per-minute", 60, budgets["kis"].PerMinute},
	} {
		args = append(args, limit.flag, strconv.Itoa(max(limit.allowed, limit.own)))
	}
	return args
}
