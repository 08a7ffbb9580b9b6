package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// ofProcess are functions that read or change what belongs to the whole process. Only the main function of a program may,
// and what is called by it, so none stands in a variable of a package.
var ofProcess = []string{
	"os.Hostname", "os.Getenv", "os.LookupEnv", "os.Environ", "os.Getpid", "uuid.NewString", "uuid.New", "uuid.NewV7",
	"redis.SetLogger", "debug.SetGCPercent", "debug.SetMemoryLimit", "signal.Ignore", "signal.Notify",
}

// Importing a package of this module has no effect: it has no init function, and its variables are made of constants.
func TestImportHasNoEffect(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case "node_modules", "testdata", ".git":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, effect := range importEffects(file) {
			t.Errorf("%s: %s", path, effect)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func importEffects(file *ast.File) (effects []string) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				effects = append(effects, "has an init function")
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				effects = append(effects, callsOfProcess(d)...)
			}
		}
	}
	return effects
}

// callsOfProcess returns the calls of such functions in what variables are made of. A function that is only passed on, as
// to sync.OnceValue, counts too unless it has a name.
func callsOfProcess(d *ast.GenDecl) (calls []string) {
	ast.Inspect(d, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok {
			if pkg, ok := f.X.(*ast.Ident); ok {
				for _, name := range ofProcess {
					if pkg.Name+"."+f.Sel.Name == name {
						calls = append(calls, "a variable calls "+name)
					}
				}
			}
		}
		return true
	})
	return calls
}
