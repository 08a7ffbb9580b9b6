package wire

import (
	"cmp"
	"slices"
)

// headers are the headers of a message. A message has few, so a linear search is faster than a map, and a slice costs one
// allocation a task instead of several.
type headers []header

type header struct{ key, value string }

// get returns the value of a header, "" if there is none.
func (h headers) get(key string) string {
	for i := range h {
		if h[i].key == key {
			return h[i].value
		}
	}
	return ""
}

func (h *headers) set(key, value string) {
	for i := range *h {
		if (*h)[i].key == key {
			(*h)[i].value = value
			return
		}
	}
	*h = append(*h, header{key, value})
}

func (h *headers) delete(key string) {
	*h = slices.DeleteFunc(*h, func(one header) bool { return one.key == key })
}

// sort orders the headers by key, so that equal messages are encoded to equal bytes.
func (h headers) sort() {
	slices.SortFunc(h, func(a, b header) int { return cmp.Compare(a.key, b.key) })
}
