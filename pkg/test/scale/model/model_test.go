package model

import (
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scenario is a standard one for three hours from its trouble on, small enough for a test.
func scenario(t *testing.T, name string) Scenario {
	t.Helper()
	s, err := Pick(Standard(200, 100e6, 8, 1), name)
	if err != nil {
		t.Fatal(err)
	}
	s.For = 3 * time.Hour
	for i := range s.Trouble {
		s.Trouble[i].At -= 19 * time.Hour
	}
	for i := range s.Classes {
		c := &s.Classes[i].Curve
		c.Bursts = slices.Clone(c.Bursts)
		for j := range c.Bursts {
			c.Bursts[j].At -= 19 * time.Hour
		}
		c.Hours = [24]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	}
	return s
}

func TestNoRecordIsLostOrMade(t *testing.T) {
	for _, name := range []string{"day", "campaign", "replay", "outage", "pods-lost"} {
		s := Run(scenario(t, name), 60)
		last := s.Points[len(s.Points)-1]
		way := last.Unpolled + last.Unmapped + last.Unwritten
		if math.Abs(s.Records-s.Done-way) > 1e-6*s.Records {
			t.Errorf("%s: %.0f records, %.0f done, %.0f on their way", name, s.Records, s.Done, way)
		}
		if s.Done < s.Records/3 {
			t.Errorf("%s: only %.0f of %.0f records are done", name, s.Done, s.Records)
		}
	}
}

func TestTheSameSeedIsTheSameDay(t *testing.T) {
	s := scenario(t, "campaign")
	if !reflect.DeepEqual(Run(s, 60), Run(s, 60)) {
		t.Error("two runs with one seed differ")
	}
	other := s
	other.Seed++
	if reflect.DeepEqual(Run(s, 60), Run(other, 60)) {
		t.Error("another seed makes the same day")
	}
}

func TestAnOutageBringsNoReplicas(t *testing.T) {
	sinks := func(p Point) int { return p.MySQL }
	for _, tt := range []struct {
		name   string
		during int
	}{{"outage", 2}, {"outage-unseen", 8}} {
		s := scenario(t, tt.name)
		got := Run(s, 15)
		if most := got.MostDuring(s.Trouble, sinks); most != tt.during {
			t.Errorf("%s: %d sinks while the databases are away, want %d", tt.name, most, tt.during)
		}
		if got.Most.MySQL != 8 {
			t.Errorf("%s: at most %d sinks, and none came to catch up", tt.name, got.Most.MySQL)
		}
		if last := got.Points[len(got.Points)-1]; last.Unwritten > 10_000 {
			t.Errorf("%s: %.0f messages wait in the end", tt.name, last.Unwritten)
		}
	}
}

func TestRecordsAreReadWhenTheyAreDue(t *testing.T) {
	for _, c := range Run(scenario(t, "day"), 60).Classes {
		if c.P50 < 60 || c.P50 > 360 || c.P99 > 372 || c.RawP99 > 12 {
			t.Errorf("%s: %+v; a poll every 5 minutes leaves out the last minute", c.Class, c)
		}
	}
}

// alone is a scenario of one class for a time, with nothing that varies.
func alone(c Class, long time.Duration, replicas int) Scenario {
	transformer, mysql := Tiers(8)
	transformer.Min, mysql.Min = replicas, replicas
	return Scenario{Name: "alone", For: long, Classes: []Class{c}, Costs: Measured, Transformer: transformer, MySQL: mysql, Start: 15 * time.Second}
}

// TestTheDemoTakesAsLong has the bookings of the shipped flows into Kingdee, which took 26.4 s for 1,994 at 80 calls a
// second (docs/scaling.md).
func TestTheDemoTakesAsLong(t *testing.T) {
	s := alone(Class{Kind: "kingdee", Connections: 1, Targets: 1, Curve: Day, Every: 5 * time.Minute, Page: 50, Calls: 3000, BookCalls: 4800, PerRecord: 1}, time.Minute, 1)
	s.Backlog = 1994
	for _, p := range Run(s, 1).Points {
		if p.Unmapped+p.Unwritten < 1 {
			if p.Second < 24 || p.Second > 29 {
				t.Errorf("all is booked after %d s, and was after 26", p.Second)
			}
			return
		}
	}
	t.Error("not all is booked after a minute")
}

// TestProcessorsAreShared has a machine with two cores, on which more replicas are no faster.
func TestProcessorsAreShared(t *testing.T) {
	drained := func(replicas int, cores float64) int {
		s := alone(Class{Kind: "mysql", Connections: 4, Targets: 4, Curve: Day, Every: 5 * time.Minute, Page: 50, Calls: 100, Rows: 3}, 5*time.Minute, replicas)
		s.Backlog, s.Cores = 200_000, cores
		for _, p := range Run(s, 1).Points {
			if p.Unmapped+p.Unwritten < 1 {
				return p.Second
			}
		}
		return 0
	}
	two, four := drained(2, 2), drained(4, 2)
	if two == 0 || four < two*9/10 {
		t.Errorf("on two cores: %d s with two replicas, %d s with four", two, four)
	}
	if free := drained(4, 0); free > two/2 {
		t.Errorf("four replicas with cores of their own take %d s, two on two cores %d s", free, two)
	}
}

func TestADayIsAsLargeAsItSays(t *testing.T) {
	for _, c := range []Curve{Day, {Name: "flat", Hours: [24]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}} {
		sum := 0.0
		for second := range 86400 {
			sum += c.at(time.Duration(second) * time.Second)
		}
		if math.Abs(sum/86400-1) > .001 {
			t.Errorf("%s: %.3f days in a day", c.Name, sum/86400)
		}
	}
	if got := Campaign.at(20*time.Hour+time.Minute) / Day.at(20*time.Hour+time.Minute); math.Abs(got-10) > 1e-9 {
		t.Errorf("the campaign is %v times a day", got)
	}
}

// TestTheModelScalesAsTheObjectsDo compares the rules and targets of the model with the shipped ScaledObjects.
func TestTheModelScalesAsTheObjectsDo(t *testing.T) {
	text, err := os.ReadFile("../../../../k8s/components/keda/scaled-objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	transformer, mysql := Tiers(8)
	objects := strings.Split(string(text), "\n---\n")
	for i, tier := range []Tier{transformer, mysql} {
		object := objects[i+1]
		for _, want := range []string{
			"target: \"" + strconv.Itoa(int(tier.Target)) + "\"",
			"minReplicaCount: " + strconv.Itoa(tier.Min),
			", " + strconv.Itoa(tier.AtOnce*int(tier.Target)) + "))",
			"stabilizationWindowSeconds: " + strconv.Itoa(int(tier.Up.Window.Seconds())),
			"stabilizationWindowSeconds: " + strconv.Itoa(int(tier.Down.Window.Seconds())),
		} {
			if !strings.Contains(object, want) {
				t.Errorf("object %d has no %q", i+1, want)
			}
		}
		for _, p := range append(tier.Up.Policies, tier.Down.Policies...) {
			kind := "Pods"
			if p.Percent {
				kind = "Percent"
			}
			want := "type: " + kind + "\n              value: " + strconv.Itoa(p.Value) + "\n              periodSeconds: " + strconv.Itoa(int(p.Period.Seconds()))
			if !strings.Contains(object, want) {
				t.Errorf("object %d has no %q", i+1, want)
			}
		}
	}
}
