package wire

import (
	"cmp"
	"slices"
)

// headers are those of a message. There are a few at most, so that going through them is quicker than a map, and one
// allocation in place of several for each task that is made or fetched.
type headers []header

type header struct{ key, value string }

// get returns "" for a header that is not there.
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

// sort makes the order one that does not depend on how the headers came together.
func (h headers) sort() {
	slices.SortFunc(h, func(a, b header) int { return cmp.Compare(a.key, b.key) })
}
