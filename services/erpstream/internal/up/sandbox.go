package up

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
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
	budget := sandboxBudget(m.Documents)
	args := []string{
		"--listen", address, "--data", filepath.Join(m.Data, "sandbox"),
		"--anchor", anchor,
		"--edits", strconv.Itoa(m.Edits), "--edit-rate", strconv.FormatFloat(m.EditRate, 'f', -1, 64),
		"--per-second", strconv.Itoa(budget.PerSecond), "--per-minute", strconv.Itoa(budget.PerMinute),
	}
	if records := m.records(); records > 0 {
		args = append(args, "--records", strconv.Itoa(records))
	}
	if m.Seed > 0 {
		args = append(args, "--seed", strconv.FormatUint(m.Seed, 10))
	}
	if m.db.forgetful {
		args = append(args, "--mysql-listen", m.db.Addr)
	}
	c, err := m.newChild("sandbox", args, nil)
	if err != nil {
		return err
	}
	m.start(c)
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
	err := getJSON(ctx, m.sandbox+"jushuitan/stats", &stats)
	return stats.Left, err
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

// sandboxBudget is what the sandbox allows: what its connection is told to keep to, or what the
// vendor allows.
func sandboxBudget(docs []flow.Document) flow.Budget {
	budget := flow.Budget{PerSecond: 5, PerMinute: 100}
	for _, d := range docs {
		if c := d.Connection; c != nil && c.Sandbox() && c.System == "jushuitan" {
			budget.PerSecond = max(budget.PerSecond, c.Budget.PerSecond)
			budget.PerMinute = max(budget.PerMinute, c.Budget.PerMinute)
		}
	}
	return budget
}
