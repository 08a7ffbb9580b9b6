package fleet

// Queue is a queue and its weight: its share where queues compete for workers, or its rank with strict
// priority.
type Queue struct {
	Name   string
	Weight int
}
