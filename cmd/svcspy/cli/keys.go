package cli

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// PrivateKey reads an ed25519 key from a PKCS #8 PEM file, as `openssl genpkey
// -algorithm ed25519` writes it.
func PrivateKey(path string) (ed25519.PrivateKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := parsed.(ed25519.PrivateKey); ok && err == nil {
		return key, nil
	}
	return nil, Usage(fmt.Errorf("%s is not an ed25519 private key", path), "openssl genpkey -algorithm ed25519 -out "+path)
}

// PublicKey reads an ed25519 key from a PEM file that holds either half.
func PublicKey(path string) (ed25519.PublicKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		if key, ok := parsed.(ed25519.PublicKey); ok {
			return key, nil
		}
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if key, ok := parsed.(ed25519.PrivateKey); ok {
			return key.Public().(ed25519.PublicKey), nil
		}
	}
	return nil, Usage(fmt.Errorf("%s is not an ed25519 key", path), "openssl pkey -in KEY -pubout -out "+path)
}

func readPEM(path string) (*pem.Block, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, Usage(fmt.Errorf("%s is not a PEM file", path), "openssl genpkey -algorithm ed25519 writes one")
	}
	return block, nil
}
