package tasks

import (
	"encoding/json"
	"fmt"
	"sort"
)

// fitResult cuts the body until the result has most bytes as JSON, in which headers and escapes count, too. 0 is no bound.
// The call has been made, and may not be made again: a body cut short is better than a failed task.
func fitResult(out HTTPRequestOut, most int) (HTTPRequestOut, error) {
	size, err := encodedSize(out)
	if err != nil || most <= 0 || size <= most {
		return out, err
	}
	body := fmt.Sprintf("%s", out.Body) // a string, or JSON as it came
	out.Body, out.Truncated = "", true
	if size, err = encodedSize(out); err != nil {
		return out, err
	}
	length := sort.Search(len(body), func(n int) bool {
		escaped, _ := encodedSize(toUTF8(body[:n+1])) // a string always can be encoded
		return size-len(`""`)+escaped > most
	})
	out.Body = toUTF8(body[:length])
	return out, nil
}

func encodedSize(v any) (int, error) {
	data, err := json.Marshal(v)
	return len(data), err
}
