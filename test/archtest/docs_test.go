package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```$")

// Each paragraph of a Go block in README and docs/ is in one file of test/outside, a module that imports Backbeat as its users
// do; "…" in a block stands for any code. So the blocks compile as long as that module does.
func TestGoCodeOfTheDocsCompiles(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	sources := goFiles(t, "../outside")
	for _, page := range append(pages, "../../README.md") {
		for _, block := range goBlock.FindAllStringSubmatch(read(t, page), -1) {
			paragraphs := paragraphsOf(block[1])
			if !slices.ContainsFunc(sources, func(source string) bool { return containsInOrder(source, paragraphs) }) {
				t.Errorf("%s: no file of test/outside has the code\n%s", page, block[1])
			}
		}
	}
	if out, err := exec.Command("go", "vet", "-C", "../outside", "./...").CombinedOutput(); err != nil {
		t.Errorf("test/outside: %v\n%s", err, out)
	}
}

// goFiles returns the content of the Go files below a directory, with single spaces.
func goFiles(t *testing.T, dir string) (contents []string) {
	eachFile(t, dir, ".go", func(path string) { contents = append(contents, singleSpaced(read(t, path))) })
	return contents
}

func read(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func singleSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }

func paragraphsOf(block string) (paragraphs []string) {
	for _, paragraph := range strings.Split(strings.ReplaceAll(block, "…", "\n\n"), "\n\n") {
		if text := singleSpaced(paragraph); text != "" {
			paragraphs = append(paragraphs, text)
		}
	}
	return paragraphs
}

func containsInOrder(text string, parts []string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// The table of README has a row for each directory; one for a parent is enough for the packages below it.
func TestTheReadmeHasEachDirectory(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "../../README.md"), "## Where things live")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range strings.Split(row[1], ", ") {
			rows = append(rows, strings.Trim(name, "`"))
		}
	}
	for _, name := range rows {
		if _, err := os.Stat(filepath.Join("../..", name)); err != nil {
			t.Errorf("README has a row for %s: %v", name, err)
		}
	}
	for _, parent := range []string{".", "internal"} {
		entries, err := os.ReadDir(filepath.Join("../..", parent))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			name := filepath.ToSlash(filepath.Join(parent, entry.Name())) + "/"
			if entry.IsDir() && name != "internal/" && !strings.HasPrefix(name, ".") && tracked(t, name) && !slices.Contains(rows, name) {
				t.Errorf("README has no row for %s", name)
			}
		}
	}
}

// tracked reports whether a directory is part of the repository, and not made by a build.
func tracked(t *testing.T, dir string) bool {
	out, err := exec.Command("git", "-C", "../..", "ls-files", "--", dir).Output()
	if err != nil {
		t.Skip("the tree is no git repository") // as unpacked from an archive: what a build made cannot be told from the rest
	}
	return len(out) > 0
}
