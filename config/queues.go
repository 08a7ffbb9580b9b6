package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Queue is a queue with its weight, 1 to 1000.
type Queue struct {
	Name   string
	Weight int
}

// Queues is a list of queues, in the order in which they were given.
type Queues []Queue

const maxWeight = 1000

// Names are part of Redis keys, where braces choose the hash slot, and of URLs.
var queueName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// String returns the form of the environment variable: critical=6,default=3.
func (q Queues) String() string {
	parts := make([]string, len(q))
	for i, one := range q {
		parts[i] = fmt.Sprintf("%s=%d", one.Name, one.Weight)
	}
	return strings.Join(parts, ",")
}

// Names returns the names in order.
func (q Queues) Names() []string {
	names := make([]string, len(q))
	for i, one := range q {
		names[i] = one.Name
	}
	return names
}

func (q Queues) weight(name string) (int, bool) {
	i := slices.IndexFunc(q, func(one Queue) bool { return one.Name == name })
	if i < 0 {
		return 0, false
	}
	return q[i].Weight, true
}

// parseQueues reads comma-separated queues of the form name=weight. A queue without a weight gets its weight in known. If
// known is nil, weights are required.
func parseQueues(text string, known Queues) (Queues, error) {
	var queues Queues
	for part := range strings.SplitSeq(text, ",") {
		queue, err := parseQueue(strings.TrimSpace(part), known)
		if err != nil {
			return nil, err
		}
		if _, duplicate := queues.weight(queue.Name); duplicate {
			return nil, fmt.Errorf("queue %q is listed twice", queue.Name)
		}
		queues = append(queues, queue)
	}
	return queues, nil
}

func parseQueue(text string, known Queues) (Queue, error) {
	name, weightText, hasWeight := strings.Cut(text, "=")
	name, weightText = strings.TrimSpace(name), strings.TrimSpace(weightText)
	if !queueName.MatchString(name) {
		return Queue{}, fmt.Errorf("queue name %q must be 1 to 64 letters, digits, dots, dashes and underscores", name)
	}
	weight, exists := known.weight(name)
	if known != nil && !exists {
		return Queue{}, fmt.Errorf("queue %q is not one of queues (%s)", name, strings.Join(known.Names(), ", "))
	}
	if !hasWeight && exists {
		return Queue{name, weight}, nil
	}
	weight, err := strconv.Atoi(weightText)
	if err != nil || weight < 1 || weight > maxWeight {
		return Queue{}, fmt.Errorf("queue %q needs a weight from 1 to %d, as in %s=3", name, maxWeight, name)
	}
	return Queue{name, weight}, nil
}
