// Package localredis is the Redis of a program that has been told of none.
//
// A redis-server or valkey-server found on PATH runs as a child: it keeps an append-only file in a directory of its
// own, so a restart loses nothing, and listens on a Unix socket that only this user can open. Where there is none,
// miniredis runs inside the program, and forgets everything when the program ends.
//
// What happens when
//
//   - the program ends: the child is told to, after everything that uses it has stopped. It is in a process group of
//     its own, so that a Ctrl-C reaches it no earlier.
//   - the program is killed: Linux ends the child with it. Elsewhere the child goes on, and is told to end by the next
//     start.
//   - the child dies: it is started again, at the same address and with its data.
//   - a second program wants the same directory: it is refused, because two would ruin the file.
package localredis
