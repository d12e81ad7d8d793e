package natsconfig

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
)

// secret is one file of an identity, and the setting that names it.
type secret struct{ file, setting string }

var secrets = map[Kind][]secret{
	Password: {{"user", login.UserFile}, {"password", login.PasswordFile}},
	Nkey:     {{"nkey", login.Nkey}},
	JWT:      {{"creds", login.Creds}},
}

// make makes a key and the files that prove it, by setting.
func (f *Folder) make(r topology.Role) (Key, map[string][]byte, error) {
	switch f.state.Kind {
	case Password:
		return f.password(r)
	case Nkey:
		return f.nkey()
	default:
		return f.creds(r)
	}
}

// password makes a user. Two of a role are told apart by their names: transformer, then transformer.2.
func (f *Folder) password(r topology.Role) (Key, map[string][]byte, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // which never fails
	password := base64.RawURLEncoding.EncodeToString(random)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), f.BcryptCost)
	if err != nil {
		return Key{}, nil, fmt.Errorf("hash the password: %w", err)
	}
	user := r.Name
	if keys := f.state.Keys[r.Name]; len(keys) > 0 {
		user += "." + strconv.Itoa(generation(keys[len(keys)-1].User)+1)
	}
	return Key{User: user, Hash: string(hash)}, map[string][]byte{login.UserFile: []byte(user), login.PasswordFile: []byte(password)}, nil
}

// generation is the number at the end of a user's name, 1 where there is none.
func generation(user string) int {
	_, number, _ := strings.Cut(user, ".")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 1
	}
	return n
}

func (f *Folder) nkey() (Key, map[string][]byte, error) {
	public, seed, err := newPair(nkeys.CreateUser)
	return Key{Public: public}, map[string][]byte{login.Nkey: seed}, err
}

// newPair makes a key pair.
func newPair(create func() (nkeys.KeyPair, error)) (public string, seed []byte, err error) {
	pair, err := create()
	if err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	if seed, err = pair.Seed(); err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	return public, seed, nil
}
