package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// graph holds the imports of each package, those of its tests left out.
type graph map[string][]string

// readGraph asks the go command about the module's packages and everything that they are built from.
func readGraph() (graph, error) {
	cmd := exec.Command("go", "list", "-C", "../..", "-deps", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	g := graph{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		switch err := decoder.Decode(&pkg); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, err
		}
		g[pkg.ImportPath] = pkg.Imports
	}
}

// path returns the shortest chain of imports that leads from a package to one that matches, or nil.
func (g graph) path(from string, match matcher) []string {
	seen := map[string]bool{from: true}
	for chains := [][]string{{from}}; len(chains) > 0; chains = chains[1:] {
		chain := chains[0]
		for _, next := range g[chain[len(chain)-1]] {
			longer := append(slices.Clone(chain), next)
			if match(next) {
				return longer
			}
			if !seen[next] {
				seen[next] = true
				chains = append(chains, longer)
			}
		}
	}
	return nil
}
