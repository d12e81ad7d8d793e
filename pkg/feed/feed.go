// Package feed describes the query APIs of source systems as data: where an API is, how its
// documents are identified, how it is asked for a window of time and how it is paged. Adding an
// API of a system that is known is one file in catalog/, and one recorded answer in catalog/samples/.
package feed

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// Feed is one query API of a source system.
type Feed struct {
	// Name is <system>.<api>, for example jushuitan.purchasein.
	Name string `yaml:"feed"`
	// System is the vendor's system; the poller of that system serves the feed.
	System string `yaml:"system"`
	// Edition is the edition of the system that has the API, where there are several: a connection
	// names its own in the setting "edition".
	Edition string `yaml:"edition"`
	// Title is what the vendor calls the API.
	Title string `yaml:"title"`
	// Path is the API's path or method at the vendor.
	Path string `yaml:"path"`
	// Rows is the name of the array that holds a page's documents.
	Rows string `yaml:"rows"`
	// Key holds the fields whose values, joined by "/", identify a document at the source.
	Key []string `yaml:"key"`
	// Version is a field with a number that grows with each change of a document (a row
	// version). Empty: Modified, in ms, is the version.
	Version string `yaml:"version"`
	// Modified is the field with the time of a document's last change.
	Modified string `yaml:"modified"`
	// Layouts are the forms that the feed's times take, in the order to try them.
	Layouts []string `yaml:"layouts"`
	// Zone is the time zone of the feed's times, for they carry none.
	Zone string `yaml:"zone"`
	// Snapshot feeds have no change filter: they are read whole each time, what is unchanged is not
	// published again, and what is gone is published as a tombstone. The time of reading is the
	// version, so they have neither Modified nor Version, and no Window but its settle.
	Snapshot bool `yaml:"snapshot"`
	// Window says how the API is asked for a slice of time.
	Window Window `yaml:"window"`
	// RowVersion says how the API is read by row version, where it can be.
	RowVersion RowVersion `yaml:"row_version"`
	// Details says how whole documents are had, where the list has parts of them only.
	Details Details `yaml:"details"`
	// Paging says how the API is paged.
	Paging Paging `yaml:"paging"`
	// Request holds parameters that every request carries; a source can override them.
	Request map[string]any `yaml:"request"`
	// Personal holds the fields with personal data, as dotted paths.
	Personal []string `yaml:"personal"`
	// SampleWhole says that the recorded sample has every field that the vendor documents, so that a
	// field which is not in it is likely misspelt.
	SampleWhole bool `yaml:"sample_whole"`

	location *time.Location
}

// Window says how a feed is asked for the documents changed in a slice of time.
type Window struct {
	// Begin and End are the names of the two parameters.
	Begin string `yaml:"begin"`
	End   string `yaml:"end"`
	// Layout is the form of their values.
	Layout string `yaml:"layout"`
	// Resolution is the smallest step of the feed's time.
	Resolution time.Duration `yaml:"resolution"`
	// Max is the widest slice that the vendor takes.
	Max time.Duration `yaml:"max"`
	// Settle is how far behind now a window ends, so that late commits are in it.
	Settle time.Duration `yaml:"settle"`
	// Overlap is how much of the time before the cursor each poll reads again.
	Overlap time.Duration `yaml:"overlap"`
}

// RowVersion says how a feed is asked for the documents from a row version on.
type RowVersion struct {
	// Param is the name of the parameter; empty where the API has none. Documents with the row
	// version itself are part of the answer, and only paging may accompany it.
	Param string `yaml:"param"`
	// Field is the field of a document with its row version; Version where it is left out. It
	// stands apart for APIs that may leave it out: those are read by time then.
	Field string `yaml:"field"`
	// Request holds parameters that go along in the place of the feed's, Count those that go along
	// when the vendor is to count the documents from a row version on.
	Request map[string]any `yaml:"request"`
	Count   map[string]any `yaml:"count"`
}

// Details says how the documents of a list are had whole, some at a time.
type Details struct {
	// Path is the API's path; empty where the list has whole documents.
	Path string `yaml:"path"`
	// IDs is the parameter with a list of ids, From the field of the list's row that has the id.
	IDs  string `yaml:"ids"`
	From string `yaml:"from"`
	// Rows is the name of the array in the answer.
	Rows string `yaml:"rows"`
	// Max is how many ids one call takes.
	Max int `yaml:"max"`
}

// Paging says how a feed is paged.
type Paging struct {
	// Index and Size are the names of the parameters for the page and its size.
	Index string `yaml:"index"`
	Size  string `yaml:"size"`
	// Origin is the number of the first page.
	Origin int `yaml:"origin"`
	// Max is the largest page, in documents, that the vendor serves.
	Max int `yaml:"max"`
}

//go:embed catalog/*.yaml
var files embed.FS

// catalog reads the shipped descriptors once. They are part of the program: a broken one is a
// defect that the package's own test finds.
var catalog = sync.OnceValues(func() (map[string]Feed, error) {
	feeds := map[string]Feed{}
	paths, err := fs.Glob(files, "catalog/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		data, err := files.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		feeds[f.Name] = f
	}
	return feeds, nil
})

// Get returns the feed of that name. The error names the feeds that there are.
func Get(name string) (Feed, error) {
	feeds, err := catalog()
	if err != nil {
		return Feed{}, err
	}
	f, ok := feeds[name]
	if !ok {
		return Feed{}, fmt.Errorf("unknown feed %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return f, nil
}

// Names returns the names of all feeds, sorted.
func Names() []string {
	feeds, _ := catalog()
	var names []string
	for name := range feeds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
