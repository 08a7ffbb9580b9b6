package tasks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signer signs webhooks with each of its keys, as specified by Standard Webhooks (https://www.standardwebhooks.com).
type signer [][]byte

// newSigner parses secrets such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw. Its errors do not quote them.
func newSigner(secrets []string) (signer, error) {
	keys := make(signer, len(secrets))
	for i, secret := range secrets {
		encoded, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			return nil, errors.New("a callback secret is not whsec_ and base64")
		}
		keys[i] = key
	}
	return keys, nil
}

// sign sets the signature headers of a webhook that is sent now.
func (s signer) sign(header http.Header, id string, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(s))
	for i, key := range s {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", timestamp)
	header.Set("Webhook-Signature", strings.Join(signatures, " "))
}
