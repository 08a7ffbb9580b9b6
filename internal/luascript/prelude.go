package luascript

import (
	"regexp"
	"slices"
	"strings"
)

// paragraph is a part of a prelude between blank lines: local variables or a function.
type paragraph struct {
	code    string // without comments
	defines []string
	uses    []string // further words of the code
}

var (
	definition = regexp.MustCompile(`(?m)^local (?:function )?(\w+(?:, \w+)*)`)
	word       = regexp.MustCompile(`[A-Za-z_]\w*`)
	comment    = regexp.MustCompile(`(?m)^ *--.*\n`)
)

func readParagraphs(source string) []paragraph {
	var list []paragraph
	for code := range strings.SplitSeq(comment.ReplaceAllString(source, ""), "\n\n") {
		p := paragraph{code: code, uses: word.FindAllString(code, -1)}
		for _, names := range definition.FindAllStringSubmatch(code, -1) {
			p.defines = append(p.defines, strings.Split(names[1], ", ")...)
		}
		list = append(list, p)
	}
	return list
}

// withPrelude puts those paragraphs of the prelude before a script that it needs. A paragraph uses only what stands above it.
func withPrelude(prelude []paragraph, source string) string {
	used := make(map[string]bool)
	use := func(words []string) {
		for _, w := range words {
			used[w] = true
		}
	}
	use(word.FindAllString(comment.ReplaceAllString(source, ""), -1))
	var needed []string
	for _, p := range slices.Backward(prelude) {
		if slices.ContainsFunc(p.defines, func(name string) bool { return used[name] }) {
			use(p.uses)
			needed = append(needed, p.code)
		}
	}
	slices.Reverse(needed)
	return strings.Join(append(needed, source), "\n")
}
