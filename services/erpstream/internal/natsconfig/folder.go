// Package natsconfig writes what a NATS server has to know of erpstream, all of it from package topology:
// who may connect and do what, the values of its Helm chart, its streams as Kubernetes resources.
package natsconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Kind is how identities prove who they are.
type Kind string

// The kinds of identities.
const (
	// Password is a user name and a password, of which the server knows a hash.
	Password Kind = "password"
	// Nkey is a key pair, of which the server knows the public half.
	Nkey Kind = "nkey"
	// JWT is a token that the account has signed, with a key pair of the user.
	JWT Kind = "jwt"
)

// Folder holds the secrets of identities, <role>-nats/<file> as Kubernetes mounts them, and what a server's
// configuration follows from. Secrets may be taken out of it once they are where they are used. It is used
// by one process at a time.
type Folder struct {
	path  string
	state state
	// BcryptCost is what hashes of passwords made from now on cost. Passwords are 32 random bytes, which no
	// cost makes any harder to guess.
	BcryptCost int
}

// state is what the folder remembers; it holds no secrets, but hashes.
type state struct {
	Kind Kind `json:"kind"`
	// Keys are those with which a role may sign in, the newest last: one, or two while they change.
	Keys map[string][]Key `json:"identities"`
	// Operator is the token that the server trusts.
	Operator string `json:"operator,omitempty"`
	// Revoked are public keys of tokens that are still valid by their date.
	Revoked []string `json:"revoked,omitempty"`
}

// Key is one way for a role to sign in.
type Key struct {
	// User is the user's name and Hash the bcrypt hash of the password; Public is the public nkey.
	User   string    `json:"user,omitempty"`
	Hash   string    `json:"bcrypt,omitempty"`
	Public string    `json:"nkey,omitempty"`
	Made   time.Time `json:"made"`
}

const stateFile = "identities.json"

// bcryptCost is what bcrypt recommends.
const bcryptCost = 10

// Open opens a folder, which need not exist. One that has identities of another kind is refused.
func Open(path string, kind Kind) (*Folder, error) {
	f := &Folder{path: path, state: state{Kind: kind, Keys: map[string][]Key{}}, BcryptCost: bcryptCost}
	text, err := os.ReadFile(filepath.Join(path, stateFile)) //nolint:gosec // in the folder that the operator names
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open identities: %w", err)
	}
	if err := json.Unmarshal(text, &f.state); err != nil {
		return nil, fmt.Errorf("open identities: %s is damaged: %w", filepath.Join(path, stateFile), err)
	}
	if f.state.Kind != kind {
		return nil, fmt.Errorf("folder %s holds identities of kind %s, not %s: name another folder, or that kind", path, f.state.Kind, kind)
	}
	return f, nil
}

// LoginOf returns how a program signs in as a role, by the secrets of a folder of any kind. A secret that is
// not there is an error.
func LoginOf(path, role string) (login.Login, error) {
	text, err := os.ReadFile(filepath.Join(path, stateFile)) //nolint:gosec // in the folder that the operator names
	if err != nil {
		return login.Login{}, fmt.Errorf("open identities: %w", err)
	}
	f := Folder{path: path}
	if err := json.Unmarshal(text, &f.state); err != nil {
		return login.Login{}, fmt.Errorf("open identities: %s is damaged: %w", filepath.Join(path, stateFile), err)
	}
	var l login.Login
	for _, s := range secrets[f.state.Kind] {
		file, err := filepath.Abs(filepath.Join(f.Secrets(role), s.file))
		if err == nil {
			_, err = os.Stat(file)
		}
		if err != nil {
			return login.Login{}, fmt.Errorf("identity %s has no secret: %w", role, err)
		}
		l.Set(s.setting, file)
	}
	return l, nil
}

// Secrets is where the secrets of a role are.
func (f *Folder) Secrets(role string) string { return filepath.Join(f.path, role+"-nats") }

// Newest is the key with which a role signs in, the zero Key where it has none.
func (f *Folder) Newest(role string) Key {
	keys := f.state.Keys[role]
	if len(keys) == 0 {
		return Key{}
	}
	return keys[len(keys)-1]
}

// Has reports whether a role can sign in.
func (f *Folder) Has(role string) bool { return len(f.state.Keys[role]) > 0 }

// Keep makes the identities of roles that have none, and reports which those are.
func (f *Folder) Keep(roles []topology.Role) (made []string, err error) {
	for _, r := range roles {
		if f.Has(r.Name) {
			continue
		}
		if err := f.add(r); err != nil {
			return made, err
		}
		made = append(made, r.Name)
	}
	return made, f.save()
}

// Rotate gives a role a further key, which takes the place of the old one in its secret. The server takes both until
// Retire.
func (f *Folder) Rotate(r topology.Role) error {
	if len(f.state.Keys[r.Name]) > 1 {
		return fmt.Errorf("identity %s is being rotated already: --retire %s ends that, once all its replicas use the new secret", r.Name, r.Name)
	}
	if err := f.add(r); err != nil {
		return err
	}
	return f.save()
}

// Retire makes the server refuse the older key of a role.
func (f *Folder) Retire(role string) error {
	keys := f.state.Keys[role]
	if len(keys) < 2 {
		return fmt.Errorf("identity %s has one key, which is in use: --rotate %s makes a new one first", role, role)
	}
	if f.state.Kind == JWT {
		f.state.Revoked = append(f.state.Revoked, keys[0].Public)
	}
	f.state.Keys[role] = slices.Clone(keys[1:])
	return f.save()
}

// add makes a secret. It is written before it is remembered: a key that the server is told of is never one
// that nobody has.
func (f *Folder) add(r topology.Role) error {
	key, files, err := f.make(r)
	if err != nil {
		return fmt.Errorf("make identity %s: %w", r.Name, err)
	}
	for _, s := range secrets[f.state.Kind] {
		if err := writeFile(filepath.Join(f.Secrets(r.Name), s.file), files[s.setting]); err != nil {
			return fmt.Errorf("write the secret of %s: %w", r.Name, err)
		}
	}
	key.Made = time.Now().UTC().Truncate(time.Second)
	f.state.Keys[r.Name] = append(f.state.Keys[r.Name], key)
	return nil
}

func (f *Folder) save() error {
	text, err := json.MarshalIndent(f.state, "", "  ")
	if err != nil {
		return fmt.Errorf("remember identities: %w", err)
	}
	if err := writeFile(filepath.Join(f.path, stateFile), append(text, '\n')); err != nil {
		return fmt.Errorf("remember identities: %w", err)
	}
	return nil
}

// accountsFile is what the server includes.
const accountsFile = "accounts.conf"

// Write writes the part of a server's configuration that says who may do what, and returns where it is.
func (f *Folder) Write(roles []topology.Role) (string, error) {
	var b bytes.Buffer
	var err error
	if f.state.Kind == JWT {
		err = f.tokens(&b, roles)
	} else {
		err = f.accounts(&b, roles)
	}
	if err != nil {
		return "", err
	}
	path := filepath.Join(f.path, accountsFile)
	if err := writeFile(path, b.Bytes()); err != nil {
		return "", fmt.Errorf("write the accounts: %w", err)
	}
	return path, nil
}

// writeFile writes a file that is for its owner alone, all of it or not at all.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".part-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = part.Write(text)
	err = errors.Join(err, part.Sync(), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		_ = os.Remove(part.Name())
	}
	return err
}
