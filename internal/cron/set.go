package cron

import "math/bits"

// set holds small numbers, one a bit.
type set uint64

func (s *set) add(n int) { *s |= 1 << n }

func (s set) has(n int) bool { return s>>n&1 != 0 }

// from returns the smallest number of the set that is n or more.
func (s set) from(n int) (int, bool) {
	s = s >> n << n
	return bits.TrailingZeros64(uint64(s)), s != 0
}

// upTo is the set of the numbers 1 to n.
func upTo(n int) set { return 1<<(n+1) - 2 }
