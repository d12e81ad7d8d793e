// Package login says who a program is to a NATS server, and by what it knows the server: for the services
// and the command line alike.
package login

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Login is a set of files and names, each of which may be empty. At most one of Creds, Nkey and a user is
// given. All files are read again at each connect, so what is renewed there is used by the next one.
type Login struct {
	// Creds is a file with the user's JWT and seed.
	Creds string
	// Nkey is a file with the seed of the user's key.
	Nkey string
	// User is the user's name, else UserFile the file that holds it; PasswordFile holds the password.
	User, UserFile, PasswordFile string
	// CA is the PEM file of the authorities that may have signed the server's certificate; Cert and Key are
	// those of the client's own. With any of them the connection is encrypted or does not come about.
	CA, Cert, Key string
}

// The settings of a Login, as environment variables.
const (
	Creds        = "NATS_CREDS" //nolint:gosec // the name of a variable
	Nkey         = "NATS_NKEY"
	User         = "NATS_USER"
	UserFile     = "NATS_USER_FILE"
	PasswordFile = "NATS_PASSWORD_FILE"
	CA           = "NATS_CA"
	Cert         = "NATS_CERT"
	Key          = "NATS_KEY"
)

// Setting is one of a Login.
type Setting struct {
	// Name is the variable, Help what it is.
	Name, Help string
	// Value is where a Login keeps it.
	Value func(*Login) *string
}

// Settings are all of them, in the order in which help shows them.
func Settings() []Setting {
	return []Setting{
		{Creds, "file with the user's JWT and seed", func(l *Login) *string { return &l.Creds }},
		{Nkey, "file with the seed of the user's nkey", func(l *Login) *string { return &l.Nkey }},
		{User, "user name", func(l *Login) *string { return &l.User }},
		{UserFile, "file with the user name, instead of " + User, func(l *Login) *string { return &l.UserFile }},
		{PasswordFile, "file with the user's password", func(l *Login) *string { return &l.PasswordFile }},
		{CA, "PEM file of the authority that signed the server", func(l *Login) *string { return &l.CA }},
		{Cert, "PEM file of the client certificate", func(l *Login) *string { return &l.Cert }},
		{Key, "PEM file of the client certificate's key", func(l *Login) *string { return &l.Key }},
	}
}

// Set sets what a variable of Settings stands for.
func (l *Login) Set(name, value string) {
	for _, s := range Settings() {
		if s.Name == name {
			*s.Value(l) = value
		}
	}
}

// Env are the settings as variables of a program's environment. All are there: empty ones take the place of
// what the environment had.
func (l Login) Env() []string {
	var env []string
	for _, s := range Settings() {
		env = append(env, s.Name+"="+*s.Value(&l))
	}
	return env
}

// Fault is what is wrong with a setting; Err completes the sentence that begins with its name.
type Fault struct {
	Name string
	Err  error
}

// Faults are all that no retry mends: a file that is not there or is not what it should be, settings that
// do not go together.
func (l Login) Faults() []Fault {
	var faults []Fault
	fault := func(name string, err error) {
		if err != nil {
			faults = append(faults, Fault{name, err})
		}
	}
	fault(Creds, readable(l.Creds))
	fault(UserFile, readable(l.UserFile))
	fault(PasswordFile, readable(l.PasswordFile))
	if l.Nkey != "" {
		_, err := publicKey(l.Nkey)
		fault(Nkey, err)
	}
	fault(User, together(l.User+l.UserFile, l.PasswordFile, PasswordFile))
	switch {
	case l.User != "" && l.UserFile != "":
		fault(User, fmt.Errorf("and %s are both set: one of them", UserFile))
	case l.User+l.UserFile != "" && l.Creds != "":
		fault(User, fmt.Errorf("and %s are both set: one of them", Creds))
	case l.Nkey != "" && l.User+l.UserFile+l.Creds != "":
		fault(Nkey, fmt.Errorf("is set beside another identity: one of %s, %s and %s", Creds, Nkey, User))
	}
	if l.CA != "" {
		fault(CA, usable(nats.RootCAs(l.CA)))
	}
	if err := together(l.Cert, l.Key, Key); err != nil {
		fault(Cert, err)
	} else if l.Cert != "" {
		fault(Cert, usable(nats.ClientCert(l.Cert, l.Key)))
	}
	return faults
}

// Options are those of the connection. They are for a Login without faults; an error is one of a file that
// has gone since. say hears of a file that can't be read later on, and of ErrOtherKey.
func (l Login) Options(say func(error)) ([]nats.Option, error) {
	var options []nats.Option
	if l.Creds != "" {
		options = append(options, nats.UserCredentials(l.Creds))
	}
	if l.Nkey != "" {
		option, err := nkey(l.Nkey, say)
		if err != nil {
			return nil, fmt.Errorf("%s %w", Nkey, err)
		}
		options = append(options, option)
	}
	if l.PasswordFile != "" {
		options = append(options, nats.UserInfoHandler(func() (string, string) {
			user := l.User
			if l.UserFile != "" {
				user = line(UserFile, l.UserFile, say)
			}
			return user, line(PasswordFile, l.PasswordFile, say)
		}))
	}
	if l.CA != "" {
		options = append(options, nats.RootCAs(l.CA))
	}
	if l.Cert != "" {
		options = append(options, nats.ClientCert(l.Cert, l.Key))
	}
	return options, nil
}

// ErrOtherKey says that the file of an nkey holds another key than when the connection was made first. The
// client can't change its key: connect anew, which is to say restart.
var ErrOtherKey = errors.New("holds another key than at the start")

// nkey signs with the key of a file, as long as it is the one that it was.
func nkey(file string, say func(error)) (nats.Option, error) {
	public, err := publicKey(file)
	if err != nil {
		return nil, err
	}
	return nats.Nkey(public, func(nonce []byte) ([]byte, error) {
		pair, err := keyPair(file)
		if err != nil {
			return nil, fmt.Errorf("%s %w", Nkey, err)
		}
		defer pair.Wipe()
		if now, err := pair.PublicKey(); err != nil || now != public {
			say(fmt.Errorf("%s %w", Nkey, ErrOtherKey))
			return nil, ErrOtherKey
		}
		return pair.Sign(nonce)
	}), nil
}

func publicKey(file string) (string, error) {
	pair, err := keyPair(file)
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

// keyPair reads a user's seed. The error does not repeat what is in the file.
func keyPair(file string) (nkeys.KeyPair, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, fmt.Errorf("can't be read: %w", err)
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return nil, errors.New("can't be used: it holds no seed of a user's nkey (SU…)")
	}
	return pair, nil
}

// line is what a file holds, without the end of its line.
func line(name, file string, say func(error)) string {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own file
	if err != nil {
		say(fmt.Errorf("%s can't be read: %w", name, err))
	}
	return strings.TrimRight(string(text), "\r\n")
}

// readable checks that a file that was named can be read; no name is no fault.
func readable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // the operator's own file
	if err != nil {
		return fmt.Errorf("can't be read: %w", err)
	}
	return f.Close()
}

// together says that a setting and its partner are given both or not at all.
func together(value, partner, name string) error {
	if (value == "") != (partner == "") {
		return fmt.Errorf("and %s are set both or not at all", name)
	}
	return nil
}

// usable tries an option without a connection.
func usable(option nats.Option) error {
	if err := option(&nats.Options{}); err != nil {
		return fmt.Errorf("can't be used: %w", err)
	}
	return nil
}

// Exposed returns the server's address where the connection leads to another machine without TLS, so that
// whoever is between can read passwords and records, and change them. It is "" where all is well, and while
// there is no connection.
func Exposed(nc *nats.Conn) string {
	address := nc.ConnectedAddr()
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" { // a server in the same process has none
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return ""
	}
	if _, err := nc.TLSConnectionState(); !errors.Is(err, nats.ErrConnectionNotTLS) {
		return ""
	}
	return address
}
