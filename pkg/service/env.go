package service

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Env reads the variables of a service. The value of a variable is that of its flag when one was
// given (POLL_INTERVAL has the flag --poll-interval), else that of the environment when it is not
// empty, else the default. Each method also records what --help prints, and a value that can't be
// read as a fault; it then returns the default, so that one run names all faults. The variables
// are no place for secrets: those are files (see Secrets).
//
// readConfig asks for every variable, whatever the others say, and only then checks them: Main
// calls it once without any value to learn the names. HELP and VERSION are taken. An Env is used by one goroutine.
type Env struct {
	getenv func(string) string
	flags  map[string]string
	vars   []variable
	faults []error
}

// variable is what --help says of one.
type variable struct {
	name, fallback, help string
	toggle               bool // the flag needs no value
}

// NewEnv returns an Env without flags, for tests of a readConfig; getenv is as os.Getenv.
func NewEnv(getenv func(string) string) *Env { return &Env{getenv: getenv} }

// String returns the variable as it is.
func (e *Env) String(name, fallback, help string) string {
	e.declare(variable{name: name, fallback: fallback, help: help})
	if s, ok := e.lookup(name); ok {
		return s
	}
	return fallback
}

// Required returns a variable that has no default; empty or missing is a fault.
func (e *Env) Required(name, help string) string {
	e.declare(variable{name: name, fallback: "(required)", help: help})
	s, _ := e.lookup(name)
	if s == "" {
		e.Fault(name, fmt.Errorf("is not set: %s", help))
	}
	return s
}

// Int returns a whole number.
func (e *Env) Int(name string, fallback int, help string) int {
	return read(e, variable{name: name, fallback: strconv.Itoa(fallback), help: help},
		fallback, strconv.Atoi, "a whole number")
}

// Bool returns a switch: true, false, 1 or 0. Its flag needs no value.
func (e *Env) Bool(name string, fallback bool, help string) bool {
	return read(e, variable{name: name, fallback: strconv.FormatBool(fallback), help: help, toggle: true},
		fallback, strconv.ParseBool, "true or false")
}

// Duration returns a length of time, written with its unit: 500ms, 30s, 5m, 24h.
func (e *Env) Duration(name string, fallback time.Duration, help string) time.Duration {
	return read(e, variable{name: name, fallback: fallback.String(), help: help},
		fallback, time.ParseDuration, "a duration such as 30s or 5m")
}

// Fault records that the value of a variable will not do. err completes the sentence that begins
// with the variable's name: errors.New("is not between 0 and 63"). A nil err is no fault.
func (e *Env) Fault(name string, err error) {
	if err != nil {
		e.faults = append(e.faults, fmt.Errorf("%s (--%s) %w", name, kebab(name), err))
	}
}

// Err returns all faults so far, one a line, or nil. Main asks for it: readConfig need not.
func (e *Env) Err() error { return errors.Join(e.faults...) }

// declare keeps what --help prints; the first to declare a name wins.
func (e *Env) declare(v variable) {
	if !slices.ContainsFunc(e.vars, func(o variable) bool { return o.name == v.name }) {
		e.vars = append(e.vars, v)
	}
}

func (e *Env) lookup(name string) (string, bool) {
	if s, ok := e.flags[name]; ok {
		return s, true
	}
	s := e.getenv(name)
	return s, s != ""
}

func read[T any](e *Env, v variable, fallback T, parse func(string) (T, error), want string) T {
	e.declare(v)
	s, ok := e.lookup(v.name)
	if !ok {
		return fallback
	}
	t, err := parse(s)
	if err != nil {
		e.Fault(v.name, fmt.Errorf("is %q, not %s", s, want))
		return fallback
	}
	return t
}

// kebab returns the flag of a variable: NATS_URL is nats-url.
func kebab(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }
