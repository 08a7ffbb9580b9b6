package config

import (
	"fmt"
	"slices"
	"strings"
)

// Scopes lists the scopes of API keys, except * for all of them.
var Scopes = []string{
	"tasks.read", "tasks.write", "schedules.read", "schedules.write", "queues.read", "queues.write", "admin",
}

// parseKeys reads comma-separated keys of the form name:secret:scope+scope. Its errors identify keys by name or position
// and never contain secrets.
func parseKeys(text string) ([]Key, error) {
	var keys []Key
	for i, part := range strings.Split(text, ",") {
		key, err := parseKey(strings.TrimSpace(part), i+1)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(k Key) bool { return k.Name == key.Name }) {
			return nil, fmt.Errorf("key %q is listed twice", key.Name)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func parseKey(text string, position int) (Key, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 || fields[0] == "" || fields[1] == "" || fields[2] == "" {
		return Key{}, fmt.Errorf("key %d must be name:secret:scope+scope", position)
	}
	key := Key{Name: fields[0], Secret: Secret(fields[1]), Scopes: strings.Split(fields[2], "+")}
	for _, scope := range key.Scopes {
		if scope != "*" && !slices.Contains(Scopes, scope) {
			return Key{}, fmt.Errorf("key %d has an unknown scope; scopes are * and %s", position, strings.Join(Scopes, ", "))
		}
	}
	return key, nil
}
