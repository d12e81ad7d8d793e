package natsconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
)

// What signs: the operator the accounts, the account's key of a role the users of that role. What a role may
// do is in the account, so that a change needs no new tokens.
const (
	operatorKey = "operator"
	systemKey   = "system"
	accountKey  = "account"
)

// signer returns the key pair of that name below keys/, which is made when it isn't there.
func (f *Folder) signer(name string, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	path := filepath.Join(f.path, "keys", name)
	seed, err := os.ReadFile(path) //nolint:gosec // in the folder that the operator names
	if errors.Is(err, fs.ErrNotExist) {
		if _, seed, err = newPair(create); err == nil {
			err = writeFile(path, seed)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("key %s: file %s holds no seed", name, path)
	}
	return pair, nil
}

// public is the public half of a key below keys/.
func (f *Folder) public(name string, create func() (nkeys.KeyPair, error)) (string, error) {
	pair, err := f.signer(name, create)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// creds makes a user of a role, with a token that is signed for it.
func (f *Folder) creds(r topology.Role) (Key, map[string][]byte, error) {
	account, err := f.public(accountKey, nkeys.CreateAccount)
	if err != nil {
		return Key{}, nil, err
	}
	signer, err := f.signer(roleKey(r), nkeys.CreateAccount)
	if err != nil {
		return Key{}, nil, err
	}
	public, seed, err := newPair(nkeys.CreateUser)
	if err != nil {
		return Key{}, nil, err
	}
	user := jwt.NewUserClaims(public)
	user.Name, user.IssuerAccount = r.Name, account
	user.SetScoped(true)
	token, err := user.Encode(signer)
	if err != nil {
		return Key{}, nil, fmt.Errorf("sign the token: %w", err)
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	return Key{Public: public}, map[string][]byte{login.Creds: creds}, err
}

func roleKey(r topology.Role) string { return "role-" + r.Name }

// tokens writes the part of a server's configuration that trusts the operator, with the accounts preloaded.
func (f *Folder) tokens(to io.Writer, roles []topology.Role) error {
	operator, err := f.signer(operatorKey, nkeys.CreateOperator)
	if err != nil {
		return err
	}
	system, err := f.public(systemKey, nkeys.CreateAccount)
	if err != nil {
		return err
	}
	if err := f.trust(operator, system); err != nil {
		return err
	}
	account, err := f.claims(roles)
	if err != nil {
		return err
	}
	systemClaims := jwt.NewAccountClaims(system)
	systemClaims.Name = "SYS"
	var signed [2]string
	for i, claims := range []*jwt.AccountClaims{systemClaims, account} {
		if signed[i], err = claims.Encode(operator); err != nil {
			return fmt.Errorf("sign account %s: %w", claims.Name, err)
		}
	}
	_, err = fmt.Fprintf(to, "%soperator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n  # SYS\n  %s: %s\n  # %s\n  %s: %s\n}\n",
		accountsHead, f.state.Operator, system, system, signed[0], Account, account.Subject, signed[1])
	return err
}

// trust makes the operator's own token, once: a server that runs takes no other.
func (f *Folder) trust(operator nkeys.KeyPair, system string) error {
	if f.state.Operator != "" {
		return nil
	}
	public, err := operator.PublicKey()
	if err != nil {
		return fmt.Errorf("key %s: %w", operatorKey, err)
	}
	claims := jwt.NewOperatorClaims(public)
	claims.Name, claims.SystemAccount = "erpstream", system
	if f.state.Operator, err = claims.Encode(operator); err != nil {
		return fmt.Errorf("sign the operator: %w", err)
	}
	return f.save()
}

// claims is the account, with what each role may do.
func (f *Folder) claims(roles []topology.Role) (*jwt.AccountClaims, error) {
	public, err := f.public(accountKey, nkeys.CreateAccount)
	if err != nil {
		return nil, err
	}
	claims := jwt.NewAccountClaims(public)
	claims.Name = Account
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	for _, r := range roles {
		signer, err := f.public(roleKey(r), nkeys.CreateAccount)
		if err != nil {
			return nil, err
		}
		scope := jwt.NewUserScope()
		scope.Key, scope.Role, scope.Description = signer, r.Name, r.Purpose
		scope.Template.Permissions = jwt.Permissions{Pub: jwt.Permission{Allow: r.Publish}, Sub: jwt.Permission{Allow: r.Subscribe}}
		claims.SigningKeys.AddScopedSigner(scope)
	}
	for _, key := range f.state.Revoked {
		claims.Revoke(key)
	}
	return claims, nil
}
