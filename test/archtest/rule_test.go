package archtest

import (
	"maps"
	"slices"
	"strings"
)

// module is the path that all packages of the project begin with.
const module = "github.com/backbeat-go/backbeat"

// rule forbids imports.
type rule struct {
	says string
	// from are the packages that the rule binds.
	from matcher
	// never are the packages that they may not import.
	never matcher
	// deep forbids to get there through other packages, too.
	deep bool
}

// check returns the chains of imports that break the rule, in the order of the packages' names.
func (r rule) check(g graph) []string {
	var broken []string
	for _, pkg := range slices.Sorted(maps.Keys(g)) {
		if !r.from(pkg) {
			continue
		}
		if r.deep {
			if chain := g.path(pkg, r.never); chain != nil {
				broken = append(broken, strings.Join(chain, " -> "))
			}
			continue
		}
		for _, imported := range g[pkg] {
			if r.never(imported) {
				broken = append(broken, pkg+" -> "+imported)
			}
		}
	}
	return broken
}

// matcher selects packages by their import paths.
type matcher func(pkg string) bool

// under matches packages at the paths and below them.
func under(paths ...string) matcher {
	return func(pkg string) bool {
		return slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(pkg+"/", path+"/") })
	}
}

// own matches packages of the project, by their folders.
func own(folders ...string) matcher {
	var paths []string
	for _, folder := range folders {
		paths = append(paths, module+"/"+folder)
	}
	return under(paths...)
}

func (m matcher) or(other matcher) matcher {
	return func(pkg string) bool { return m(pkg) || other(pkg) }
}

func (m matcher) but(other matcher) matcher {
	return func(pkg string) bool { return m(pkg) && !other(pkg) }
}

// outside matches what is neither of the project nor of the standard library, whose paths begin without a dot.
func outside(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(first, ".") && !under(module)(pkg)
}
