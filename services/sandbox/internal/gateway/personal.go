package gateway

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
)

// personalIV is the fixed initial vector of the vendor. Seen in use.
const personalIV = "5e8y6w45ju8w9jq8"

// Personal returns a personal value as replies carry it: encrypted with the client secret
// (AES-256-CBC, PKCS7, base64). Seen in use. An empty text stays empty.
func (s *Server) Personal(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	block, err := aes.NewCipher([]byte(s.settings.ClientSecret))
	if err != nil {
		return "", fmt.Errorf("encrypt personal value: %w", err)
	}
	missing := aes.BlockSize - len(text)%aes.BlockSize
	padded := append([]byte(text), bytes.Repeat([]byte{byte(missing)}, missing)...)
	cipher.NewCBCEncrypter(block, []byte(personalIV)).CryptBlocks(padded, padded) //nolint:gosec // the vendor has a fixed one
	return base64.StdEncoding.EncodeToString(padded), nil
}
