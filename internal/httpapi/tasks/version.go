package tasks

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// encodeTask returns the document of a task, on one line. The same task gives the same bytes, in every process.
func encodeTask(t *task.Task) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as the other answers do
	if err := enc.Encode(rest.NewTaskDocument(t)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// versionOfDocument returns a hash of a document. The answer has the same bytes, so the version makes a strong ETag.
func versionOfDocument(document []byte) string {
	sum := sha256.Sum256(document)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// hasVersion reports whether a list of entity tags, of an If-None-Match, has the one. Weak tags count as strong there.
func hasVersion(tags, etag string) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == "*" || tag == etag {
			return true
		}
	}
	return false
}
