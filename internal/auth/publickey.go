package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	algHS256 = "HS256"
	algRS256 = "RS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

// readPublicKey returns the key in a PEM file and its algorithm.
func readPublicKey(file string) (jwt.VerificationKey, string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("read the JWT public key: %w", err)
	}
	key, err := parsePublicKey(text)
	if err != nil {
		return nil, "", fmt.Errorf("the JWT public key file %s: %w", file, err)
	}
	alg, err := algorithmOf(key)
	if err != nil {
		return nil, "", fmt.Errorf("the JWT public key file %s: %w", file, err)
	}
	return key, alg, nil
}

func parsePublicKey(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("is not PEM; it must contain a block that begins with -----BEGIN PUBLIC KEY-----")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("contains a private key, which only the issuer should have; " +
			"derive the public key with: openssl pkey -in FILE -pubout")
	case block.Type == "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("contains a %s, and must contain a PUBLIC KEY", block.Type)
	}
}

// algorithmOf returns the one algorithm that key may verify. The JWT library checks neither size nor curve.
func algorithmOf(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return "", fmt.Errorf("an RSA key of %d bits is too weak; RS256 needs at least 2048", key.N.BitLen())
		}
		return algRS256, nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", fmt.Errorf("a key on %s does not fit; ES256 needs one on P-256", key.Params().Name)
		}
		return algES256, nil
	case ed25519.PublicKey:
		return algEdDSA, nil
	default:
		return "", errors.New("the key must be RSA, P-256 or Ed25519")
	}
}
