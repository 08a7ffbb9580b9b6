package tasks

import (
	"encoding/json"
	"fmt"
	"sort"
)

// fitResult truncates the body until the JSON of the whole result has at most limit bytes; 0 is no limit. A truncated body
// is better than a failed task, because the call may not be repeatable.
func fitResult(out HTTPRequestOut, limit int) (HTTPRequestOut, error) {
	size, err := encodedSize(out)
	if err != nil || limit <= 0 || size <= limit {
		return out, err
	}
	body := fmt.Sprintf("%s", out.Body) // a string or raw JSON
	out.Body, out.Truncated = "", true
	if size, err = encodedSize(out); err != nil {
		return out, err
	}
	length := sort.Search(len(body), func(n int) bool {
		escaped, _ := encodedSize(toUTF8(body[:n+1])) // a string can always be encoded
		return size-len(`""`)+escaped > limit
	})
	out.Body = toUTF8(body[:length])
	return out, nil
}

func encodedSize(v any) (int, error) {
	data, err := json.Marshal(v)
	return len(data), err
}
