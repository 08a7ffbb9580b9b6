package guard

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
)

// objectKeys finds keys that are twice in an object, byte by byte as a body is read. Readers of JSON disagree on which of
// them counts, so that a proxy could check the one and a task get the other. Text that is not JSON is refused later, by its
// parser.
type objectKeys struct {
	seed  maphash.Seed
	open  []jsonLevel // the objects and arrays that the next byte is in
	seen  []uint64    // hashes of the keys of all open objects, those of the innermost last
	key   []byte      // the string that is being read, if it is a key
	isKey bool        // the next string is a key
}

// jsonLevel is an object, or an array.
type jsonLevel struct {
	isObject bool
	first    int                 // where its keys begin in seen
	many     map[uint64]struct{} // the keys of a large object; nil for a small one
}

// manyKeys is how many keys are compared one by one.
const manyKeys = 32

// keySeed keeps clients from finding keys that collide.
var keySeed = maphash.MakeSeed()

// enter begins an object or array.
func (k *objectKeys) enter(b byte) {
	k.open = append(k.open, jsonLevel{isObject: b == '{', first: len(k.seen)})
	k.isKey = b == '{'
}

// leave ends the innermost object or array.
func (k *objectKeys) leave() {
	if last := len(k.open) - 1; last >= 0 {
		k.seen = k.seen[:k.open[last].first]
		k.open = k.open[:last]
	}
	k.isKey = false
}

// next takes a comma.
func (k *objectKeys) next() {
	k.isKey = len(k.open) > 0 && k.open[len(k.open)-1].isObject
}

// ended takes the end of a string, and reports whether it is a key that the object has already.
func (k *objectKeys) ended() (twice bool) {
	if !k.isKey {
		return false
	}
	k.isKey = false
	key := k.key
	k.key = k.key[:0]
	if bytes.IndexByte(key, '\\') >= 0 {
		var text string
		if json.Unmarshal(slices.Concat([]byte{'"'}, key, []byte{'"'}), &text) == nil {
			key = []byte(text)
		}
	}
	return k.add(maphash.Bytes(k.seed, key))
}

// add adds a key of the innermost object, and reports whether it was there.
func (k *objectKeys) add(hash uint64) (there bool) {
	level := &k.open[len(k.open)-1]
	if level.many != nil {
		_, there = level.many[hash]
		level.many[hash] = struct{}{}
		return there
	}
	keys := k.seen[level.first:]
	if slices.Contains(keys, hash) {
		return true
	}
	if k.seen = append(k.seen, hash); len(keys) < manyKeys {
		return false
	}
	level.many = make(map[uint64]struct{})
	for _, h := range k.seen[level.first:] {
		level.many[h] = struct{}{}
	}
	return false
}
