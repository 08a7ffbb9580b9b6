package typestore

// The keys, all in one hash slot. lua/prelude.lua says what they hold.
const (
	docsKey    = "backbeat:{types}:docs"
	setsKey    = "backbeat:{types}:sets"
	runsKey    = "backbeat:{types}:runs"
	workersKey = "backbeat:{types}:workers"
	seenKey    = "backbeat:{types}:seen"
	versionKey = "backbeat:{types}:version"
)

// keys are the KEYS of every script.
var keys = []string{docsKey, setsKey, runsKey, workersKey, seenKey, versionKey}
