package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAScenarioIsShownAndDrawn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pictures")
	var out strings.Builder
	if err := simulate([]string{"-only", "outage", "-connections", "100", "-svg", folder}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"outage: ", "while the databases were away: at most 2 MySQL sinks", "age when written"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "scale-outage.svg")); err != nil {
		t.Error(err)
	}
}

func TestJSONHasPointsWhereTheyAreAskedFor(t *testing.T) {
	for points, want := range map[string]int{"-points=false": 0, "-points=true": 24 * 60} {
		var out strings.Builder
		if err := simulate([]string{"-only", "day", "-connections", "20", "-json", points}, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		var r report
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil || len(r.Scenarios) != 1 || len(r.Scenarios[0].Points) != want {
			t.Errorf("%s: %v, %d scenarios, want %d points", points, err, len(r.Scenarios), want)
		}
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for args, want := range map[string]string{
		"-only nothing": `no scenario "nothing": there are [day`, "stray": `"stray"`, "-connections 1": "-connections is 20", "-what": "not defined",
	} {
		err := simulate(strings.Fields(args), io.Discard, io.Discard)
		if !errors.As(err, &misuse{}) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}
