// Package measure runs our programs and hand-written floors in turn, and says how far the one is from
// the other: medians of several runs, beside a control that shows how far two equal runs are apart.
package measure

import "context"

// Scenario is one piece of work, done by ours and by its floor.
type Scenario struct {
	// Name is what --only takes; What says in a few words what is done.
	Name, What string
	// Lines are what its runs bring, each a line of the table.
	Lines []Line
	// CPUUnit is what the processor time of its figures is given in, such as "s/100k rows".
	CPUUnit string
	// Notes are what a reader of the table has to know, each a sentence.
	Notes []string
	// Asked leaves the scenario out unless it is asked for by its name.
	Asked bool
	// Repeat is how often each side runs at most; 0 is as often as the options say.
	Repeat int
	// Open makes what the sides run on.
	Open func(ctx context.Context, o Options) (Sides, error)
}

// Options is how much is run.
type Options struct {
	// Repeat is how often each side runs.
	Repeat int
	// Quick asks for little work: the figures are a first look.
	Quick bool
	// Long allows for many minutes.
	Long bool
	// Profile asks for profiles of our programs, beside their logs; the figures suffer a little.
	Profile bool
}

// Line is one figure of a scenario.
type Line struct {
	// Name tells the figure from those of all scenarios.
	Name string
	// Unit is that of the figure, such as "rows/s".
	Unit string
	// Less is set where less is better.
	Less bool
	// Floor names the figure of the floor to compare with, where it has another name.
	Floor string
	// Ratio is what ours divided by the floor is to reach, or not to exceed where less is better; nil
	// where nothing is asked.
	Ratio *float64
	// Limit is likewise what ours itself is to reach or not to exceed.
	Limit *float64
}

// Sides is what runs in turn. Each starts from the same state and leaves nothing that runs.
type Sides struct {
	Ours Side
	// Floor may be nil: the figures of ours then stand alone.
	Floor Side
	// Control shows the noise: it is the floor again, unless another is given that equals the floor, or ours
	// where there is no floor. Where there is neither, there is no control.
	Control Side
	// Close ends what the sides ran on; nil: nothing.
	Close func() error
}

// Side does the work once and says what it took. A ctx that ends stops it.
type Side func(ctx context.Context) (Sample, error)

// Sample is what one run brought, by the name of the line.
type Sample map[string]Figure

// Figure is one value, and what it cost.
type Figure struct {
	Value float64
	// CPU is the user and system time by role, in the unit of the scenario.
	CPU map[string]float64
	// RSS is the most memory that the processes of a role had, in bytes.
	RSS map[string]int64
}

// Roles of processes. Program are ours, and on the other side those of the floor.
const (
	Program = "program"
	NATS    = "nats"
	MariaDB = "mariadb"
)
