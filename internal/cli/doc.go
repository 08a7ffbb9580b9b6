// Package cli is the program backbeat: a client of the HTTP API for people, and for scripts.
//
// What a command prints is for people where it prints to a terminal, and JSON, a document a line, where it does not. What
// it has to say beside that goes to standard error.
package cli
