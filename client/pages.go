package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// page is one page of a list.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// defaultPageSize is the default number of items on a page.
const defaultPageSize = 200

// pages iterates over a list and fetches each page when it is needed. An error ends the iteration.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values, size int) iter.Seq2[T, error] {
	if size <= 0 {
		size = defaultPageSize
	}
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			p, err := do[page[T]](ctx, c, get(path, pageQuery(query, size, cursor)))
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if cursor = p.NextCursor; cursor == "" {
				return
			}
		}
	}
}

// pageQuery returns a copy of query with limit and cursor, so that an iterator can be used again.
func pageQuery(query url.Values, size int, cursor string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(size)}}
	for name, values := range query {
		q[name] = values
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return q
}
