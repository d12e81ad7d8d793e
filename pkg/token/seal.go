package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// seal encrypts a value for one account: AES-256-GCM with a key derived from the account's secret.
// The account is bound in: an entry that was written for another one does not open.
func seal(secret, account string, plain []byte) ([]byte, error) {
	box, err := box(secret, account)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize(), box.NonceSize()+len(plain)+box.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return box.Seal(nonce, nonce, plain, []byte(account)), nil
}

// errSealed says that a value was written with another secret, for another account, or not by us.
var errSealed = errors.New("value does not open with the account's secret")

// unseal is the reverse of seal.
func unseal(secret, account string, sealed []byte) ([]byte, error) {
	box, err := box(secret, account)
	if err != nil {
		return nil, err
	}
	if len(sealed) < box.NonceSize() {
		return nil, errSealed
	}
	plain, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], []byte(account))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func box(secret, account string) (cipher.AEAD, error) {
	if secret == "" {
		return nil, errors.New("the account's secret, which encrypts its token, is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "erpstream token "+account, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key that encrypts a token: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt a token: %w", err)
	}
	return cipher.NewGCM(block)
}
