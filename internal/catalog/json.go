package catalog

import (
	"bytes"
	"encoding/json"
)

// Canonical returns JSON without white space and with the keys of objects in order, so that values that mean the same are
// equal. What is no JSON is returned as it is.
func Canonical(data []byte) []byte {
	var value any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // 1e400 and 0.10 stay what they are
	if err := dec.Decode(&value); err != nil {
		return data
	}
	sorted, err := json.Marshal(value) // with the keys in order
	if err != nil {
		return data
	}
	return sorted
}

// OrNull returns the JSON, and null where there is none.
func OrNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}
