// Package startstop starts and stops what programs are made of, by one contract: see Service.
//
// # What happens when
//
//   - Start of a service in a Sequence fails: all services of the Sequence are stopped, in reverse, and Start returns the error.
//   - Stop comes before Start: the service is stopped, which closes what making it has opened, and Start returns ErrStopped.
//   - Stop comes during Start: the context of Start ends, and the service is stopped when Start has returned.
//   - Stop comes twice, or from two goroutines: the service is stopped once, and both calls wait for that.
//   - a service does not stop in time: Stop returns when its context ends. The other services of the Sequence are still stopped.
package startstop
