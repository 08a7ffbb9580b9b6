package app

import (
	"os"
	"runtime/debug"
)

// raiseGCTarget lets the heap grow fivefold between two collections instead of twofold, unless GOGC says otherwise. What
// lives in an API or a worker is small, some 10 to 20 MB, and what each request or task leaves behind is collected all the
// oftener: a fleet that is busy does about a tenth more so, for some tens of megabytes more in each. GOMEMLIMIT still
// holds.
func raiseGCTarget() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
