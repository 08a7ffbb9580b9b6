package docs

import (
	"io"
	"net/http"
	"os"
)

import standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

// Callbacks verifies callbacks before it hands their bodies on.
func Callbacks(handle func(body []byte)) (http.HandlerFunc, error) {
	hook, err := standardwebhooks.NewWebhook(os.Getenv("BACKBEAT_CALLBACK_SECRET"))
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || hook.Verify(body, r.Header) != nil {
			http.Error(w, "not from Backbeat", http.StatusUnauthorized)
			return
		}
		handle(body)
	}, nil
}
