// Package cli implements the command backbeat, a client of the HTTP API for people and scripts.
//
// On a terminal, a command prints tables; otherwise it prints JSON, one document per line. Messages go to standard error.
package cli
