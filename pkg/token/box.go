package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Box keeps one value of an account in a Store, encrypted. Who renews the value, and when, is its
// owner's business. It fits interfaces such as jushuitan.TokenStore. Its methods may be called at once.
type Box[T any] struct {
	// Store keeps the value; Name is its entry there.
	Store Store
	Name  string
	// Account says whose value it is; a value of another one is none.
	Account string
	// Secret returns the account's secret, with which the value is encrypted.
	Secret func() (string, error)
}

// Load returns the value, and the zero value when there is none that opens with the present secret.
func (b Box[T]) Load(ctx context.Context) (T, error) {
	var value T
	data, _, err := b.Store.Load(ctx, b.Name)
	if err != nil || len(data) == 0 {
		return value, err
	}
	secret, err := b.Secret()
	if err != nil {
		return value, err
	}
	plain, err := unseal(secret, b.Account, data)
	if errors.Is(err, errSealed) {
		return value, nil
	}
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(plain, &value); err != nil {
		return value, fmt.Errorf("decode the value %s: not of this type", b.Name)
	}
	return value, nil
}

// Save keeps the value in the place of any other.
func (b Box[T]) Save(ctx context.Context, value T) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the value %s: %w", b.Name, err)
	}
	secret, err := b.Secret()
	if err != nil {
		return err
	}
	sealed, err := seal(secret, b.Account, plain)
	if err != nil {
		return err
	}
	for { // whoever writes last has the newest: the owner of a value renews it in one place
		_, revision, err := b.Store.Load(ctx, b.Name)
		if err != nil {
			return err
		}
		if _, err = b.Store.Save(ctx, b.Name, sealed, revision); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}
