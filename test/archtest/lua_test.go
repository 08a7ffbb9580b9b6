package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each Lua script begins with a comment that states its KEYS, its ARGV if it reads any, and what it returns.
func TestLuaScriptsStateWhatTheyTakeAndReturn(t *testing.T) {
	scripts := 0
	eachFile(t, filepath.Join("..", "..", "internal"), ".lua", func(path string) {
		if filepath.Base(path) == "prelude.lua" {
			return
		}
		scripts++
		for _, part := range unstated(read(t, path)) {
			t.Errorf("%s: its head comment does not state %s", path, part)
		}
	})
	if scripts < 30 {
		t.Errorf("only %d scripts were found", scripts)
	}
}

var (
	headComment  = regexp.MustCompile(`^(--.*\n)+`)
	statesKeys   = regexp.MustCompile(`(?m)^-- KEYS\b`)
	statesArgs   = regexp.MustCompile(`(?m)^-- (ARGV\b|KEYS and ARGV\b)`)
	statesReturn = regexp.MustCompile(`(?m)^-- Returns\b`)
)

// unstated returns what the head comment of a script should state and does not.
func unstated(source string) (parts []string) {
	head := headComment.FindString(source)
	body := source[len(head):]
	if !statesKeys.MatchString(head) {
		parts = append(parts, "KEYS")
	}
	if strings.Contains(body, "ARGV") && !statesArgs.MatchString(head) {
		parts = append(parts, "ARGV")
	}
	if !statesReturn.MatchString(head) {
		parts = append(parts, "Returns")
	}
	return parts
}

func TestUnstated(t *testing.T) {
	for source, want := range map[string]string{
		"-- Reads.\n--\n-- KEYS[1] a\n-- ARGV[1] b\n--\n-- Returns 1.\nreturn ARGV[1]\n": "",
		"-- Reads.\n--\n-- KEYS[1] a\n--\n-- Returns 1.\nreturn ARGV[1]\n":               "ARGV",
		"-- Reads KEYS.\nreturn 1\n":                                   "KEYS Returns",
		"return 1\n-- KEYS[1] a\n-- Returns 1.\n":                      "KEYS Returns",
		"-- KEYS and ARGV[1]: see prelude.lua\n-- Returns.\nf(ARGV)\n": "",
	} {
		if got := strings.Join(unstated(source), " "); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

// Only luascript makes scripts of sources: the others read theirs with it.
func TestOnlyLuascriptMakesScripts(t *testing.T) {
	calls := 0
	eachFile(t, filepath.Join("..", ".."), ".go", func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		n := callsOfNewScript(file)
		if filepath.Base(filepath.Dir(path)) == "luascript" {
			calls += n
		} else if n > 0 {
			t.Errorf("%s calls redis.NewScript", path)
		}
	})
	if calls == 0 {
		t.Error("the call in luascript was not found")
	}
}

func callsOfNewScript(file *ast.File) (calls int) {
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.SelectorExpr); ok && f.Sel.Name == "NewScript" {
			if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "redis" {
				calls++
			}
		}
		return true
	})
	return calls
}

// eachFile calls do for each file below a folder whose name has the ending.
func eachFile(t *testing.T, root, ending string, do func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ending):
			do(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
