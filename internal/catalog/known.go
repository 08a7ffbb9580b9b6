package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Origin says where a catalog has a type from.
type Origin string

// The origins.
const (
	OriginBuiltin Origin = "builtin" // compiled into the program
	OriginWorker  Origin = "worker"  // registered by a worker
)

// Registered is a version of a type that workers have registered.
type Registered struct {
	Type       *task.Type
	SDK        string
	Workers    int       // how many live ones run it
	LastSeenAt time.Time // when the last of them was seen
}

// Known is a type that a catalog knows, in all its versions.
type Known struct {
	*task.Type // the version that is shown, and whose defaults count for a payload that fits it
	Origin     Origin
	Workers    int    // how many live workers run it, in any version
	SDK        string // of the version shown, or else of another; "" if no worker has registered the type
	LastSeenAt time.Time

	versions []*task.Type // without repetitions of a payload schema, the one shown first
}

// live reports whether the program itself or a worker runs this type now.
func (k *Known) live() bool { return k.Origin == OriginBuiltin || k.Workers > 0 }

// version returns the first version that the payload fits; if there is none, the one shown, with its faults.
func (k *Known) version(payload []byte) (*task.Type, []task.ValidationError) {
	faults := k.Validate(payload)
	if len(faults) == 0 {
		return k.Type, nil
	}
	for _, v := range k.versions[1:] {
		if len(v.Validate(payload)) == 0 {
			return v, nil
		}
	}
	return k.Type, faults
}

// index is what a catalog knows at one time. It does not change.
type index struct {
	types map[string]*Known // by name
	names map[string]*Known // by name and alias: what a request under that name is checked by
}

func newIndex(compiled map[string]*task.Type, registered []Registered) *index {
	byName := make(map[string][]Registered)
	for _, r := range registered {
		byName[r.Type.Name] = append(byName[r.Type.Name], r)
	}
	x := &index{types: make(map[string]*Known), names: make(map[string]*Known)}
	for name, t := range compiled {
		x.types[name] = newKnown(t, byName[name])
	}
	for name, versions := range byName {
		if compiled[name] == nil {
			x.types[name] = newKnown(nil, versions)
		}
	}
	maps.Copy(x.names, x.types)
	for _, name := range slices.Sorted(maps.Keys(x.types)) {
		x.addAliases(x.types[name])
	}
	return x
}

// newKnown makes one type of its versions: the one compiled in, if any, and those that live workers run. If there is neither,
// the version counts that was seen last.
func newKnown(compiled *task.Type, registered []Registered) *Known {
	slices.SortFunc(registered, func(a, b Registered) int {
		return cmp.Or(cmp.Compare(b.Workers, a.Workers), b.LastSeenAt.Compare(a.LastSeenAt),
			bytes.Compare(a.Type.PayloadSchema(), b.Type.PayloadSchema()))
	})
	k := &Known{Type: compiled, Origin: OriginBuiltin}
	if compiled == nil {
		k.Type, k.Origin = registered[0].Type, OriginWorker
	}
	k.versions = []*task.Type{k.Type}
	for _, r := range registered {
		k.Workers += r.Workers
		k.SDK = cmp.Or(k.SDK, r.SDK)
		if r.LastSeenAt.After(k.LastSeenAt) {
			k.LastSeenAt = r.LastSeenAt
		}
		if r.Workers > 0 {
			k.addVersion(r.Type)
		}
	}
	return k
}

// addVersion adds a version unless one has the same payload schema: a type with a Go type behind its schema knows more faults.
func (k *Known) addVersion(t *task.Type) {
	same := func(v *task.Type) bool { return v == t || sameJSON(v.PayloadSchema(), t.PayloadSchema()) }
	if !slices.ContainsFunc(k.versions, same) {
		k.versions = append(k.versions, t)
	}
}

func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(Canonical(a), Canonical(b)) }

// addAliases lets a type answer for its aliases. A type of its own that has the name, as in a deployment that renames it, is
// tried too, and first if it is live.
func (x *index) addAliases(k *Known) {
	for _, alias := range k.Aliases {
		own := x.names[alias]
		switch {
		case own == nil:
			x.names[alias] = k
		case own == k:
		case own.live() || !k.live():
			x.names[alias] = own.merged(k)
		default:
			x.names[alias] = k.merged(own)
		}
	}
}

// merged returns the type with the versions of another added.
func (k *Known) merged(other *Known) *Known {
	both := *k
	both.versions = slices.Clone(k.versions)
	for _, v := range other.versions {
		both.addVersion(v)
	}
	return &both
}

// list returns the types that a caller can ask for, sorted by name.
func (x *index) list() []*Known {
	list := make([]*Known, 0, len(x.types))
	for _, k := range x.types {
		if !k.Internal {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b *Known) int { return strings.Compare(a.Name, b.Name) })
	return list
}
