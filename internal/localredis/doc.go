// Package localredis starts a Redis for a program without a configured one.
//
// If PATH has a redis-server or valkey-server, it runs as a child process. It keeps an append-only file in a directory of
// its own, so that a restart loses nothing, and listens on a Unix socket that only this user can open. Otherwise miniredis
// runs inside the program; its data is lost when the program ends.
//
// # Failures
//
//   - the program ends: it stops the child after everything that uses it has stopped. The child has its own process group,
//     so that a Ctrl-C does not reach it earlier.
//   - the program is killed: on Linux, the kernel ends the child too. On other systems the child continues to run, and the
//     next start ends it.
//   - the child dies: it is restarted with the same address and data.
//   - a second program uses the same directory: it gets an error, because two servers would corrupt the file.
package localredis
