// Package apptest tests the programs as their users run them: built, started with flags and environment variables,
// called over HTTP, and stopped with signals.
package apptest
