package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// printer prints documents, as tables or as JSON.
type printer struct {
	w      io.Writer
	format string
}

func (p *printer) addFlags(root *cobra.Command) {
	root.PersistentFlags().VarP((*outputFlag)(&p.format), "output", "o", "table or json; default: table on a terminal, json otherwise")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

type outputFlag string

func (f *outputFlag) String() string { return string(*f) }
func (f *outputFlag) Type() string   { return "FORMAT" }

func (f *outputFlag) Set(text string) error {
	if text != "table" && text != "json" {
		return fmt.Errorf("must be table or json")
	}
	*f = outputFlag(text)
	return nil
}

func (p *printer) asTable() bool { return p.format == "table" || p.format == "" && isTerminal(p.w) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(f.Fd())
}

// document prints one document, with one field per line in a table.
func (p *printer) document(doc any, fields [][2]string) error {
	if !p.asTable() {
		return p.json(doc)
	}
	w := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", f[0], plain(f[1]))
		}
	}
	return w.Flush()
}

// list prints documents, one per line.
func list[T any](p *printer, items iter.Seq2[T, error], head string, row func(T) []any) error {
	w := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	if p.asTable() {
		fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	}
	for item, err := range items {
		switch {
		case err != nil:
			_ = w.Flush() // the items before the error
			return err
		case !p.asTable():
			err = p.json(item)
		default:
			_, err = fmt.Fprintln(w, tableRow(row(item)))
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// all returns an iterator for list over a slice, followed by err if it is not nil.
func all[T any](items []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

func tableRow(cells []any) string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = plain(fmt.Sprint(cell))
		if texts[i] == "" {
			texts[i] = "-"
		}
	}
	return strings.Join(texts, "\t")
}

// json prints a document on one line, or indented on a terminal.
func (p *printer) json(doc any) error {
	encoder := json.NewEncoder(p.w)
	encoder.SetEscapeHTML(false)
	if isTerminal(p.w) {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(doc)
}

// plain replaces control and format characters, which could control the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, text)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
