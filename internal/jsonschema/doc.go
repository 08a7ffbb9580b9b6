// Package jsonschema makes JSON Schemas of Go types and checks values by them.
//
// A schema comes from a Go type and the tags of its fields (For), or is a document that somebody else has written (Parse).
// Both are checked by the same validator, so that a type is the same whoever defines it.
//
//	Go type ──swaggest/jsonschema-go──▶ document ──santhosh-tekuri/jsonschema──▶ Schema
//	                  JSON Schema 2020-12 ────┘
//
// google/jsonschema-go makes no schema of a recursive type, and its validation does not say where in the value a fault is.
package jsonschema
