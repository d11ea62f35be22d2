package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Credentials are what one run of a server is reached with. They exist in
// memory and in the kubeconfig made of them, and end with it. TLS is needed:
// kubectl sends no token without.
type Credentials struct {
	Token       string
	Certificate tls.Certificate // for 127.0.0.1, ::1 and localhost
	Authority   []byte          // PEM of the certificate, which is its own authority
}

// lifetime is how long a certificate is valid: longer than anybody looks at an
// incident in one go.
const lifetime = 30 * 24 * time.Hour

// NewCredentials returns new random credentials, valid from now on.
func NewCredentials(now time.Time) (Credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Credentials{}, fmt.Errorf("make credentials: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Credentials{}, fmt.Errorf("make credentials: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "svcspy recording"},
		NotBefore:             now.Add(-time.Hour), // clocks of one machine agree, but may be set back
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Credentials{}, fmt.Errorf("make credentials: %w", err)
	}
	return Credentials{
		Token:       rand.Text(),
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		Authority:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}, nil
}
