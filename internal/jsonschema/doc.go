// Package jsonschema makes JSON Schemas of Go types and checks values by them.
//
// A schema comes from a Go type and the tags of its fields (For), or is a document that another program wrote (Parse).
// The same validator checks values by both, so a type means the same wherever it was defined.
//
//	Go type ──For──▶ document ──santhosh-tekuri/jsonschema──▶ Schema
//	     JSON Schema 2020-12 ──Parse──┘
//
// For does not use google/jsonschema-go: that module makes no schema of a recursive type or of a map with numbers as keys,
// and reads no tags but a description.
package jsonschema
