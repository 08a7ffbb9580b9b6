package typestore

import "runtime/debug"

// SDK names what this program is built with, as workers register it: backbeat-go and, where the build tells it, the version.
func SDK() string {
	const name, module = "backbeat-go", "github.com/backbeat-go/backbeat"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return name
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" {
			return name + "/" + m.Version
		}
	}
	return name
}
