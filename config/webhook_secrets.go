package config

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Standard Webhooks requires secrets of 24 to 64 bytes.
const (
	webhookSecretPrefix = "whsec_"
	minWebhookSecret    = 24
	maxWebhookSecret    = 64
)

// parseWebhookSecrets reads comma-separated secrets. Its errors identify them by position.
func parseWebhookSecrets(text string) ([]Secret, error) {
	var secrets []Secret
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		encoded, ok := strings.CutPrefix(part, webhookSecretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minWebhookSecret || len(key) > maxWebhookSecret {
			return nil, fmt.Errorf("secret %d must be %s and the base64 of %d to %d bytes", i+1, webhookSecretPrefix, minWebhookSecret, maxWebhookSecret)
		}
		secrets = append(secrets, Secret(part))
	}
	return secrets, nil
}
