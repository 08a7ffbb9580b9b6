package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat is how huma reads and writes bodies.
func jsonFormat() huma.Format { return huma.Format{Marshal: writeJSON, Unmarshal: readJSON} }

// readJSON reads what is known to be JSON, so that only a number out of range can go wrong. The error of
// encoding/json would repeat it.
func readJSON(data []byte, v any) error {
	if json.Unmarshal(data, v) != nil {
		return errors.New("holds a number that is out of range")
	}
	return nil
}

// writeJSON writes v whole or not at all. It passes over errors of w: they mean that the client has gone.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, _ = b.WriteTo(w)
	return nil
}
