package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"text/tabwriter"
	"unicode/utf8"
)

// figure is one line of the answer. What was not measured, or has nothing to be compared with, is nil.
type figure struct {
	Name  string   `json:"name"`
	Unit  string   `json:"unit"`
	Stock *float64 `json:"stock"`
	Ours  *float64 `json:"ours"`
	// Ratio says how many times better ours is.
	Ratio *float64 `json:"ratio"`
	Goal  string   `json:"goal,omitempty"`
	Met   *bool    `json:"met,omitempty"`
}

// goal is what a figure is to reach: so many times better than stock, or no more or no less than a value. At most one is set.
type goal struct{ times, most, least float64 }

func (g goal) text(unit string) string {
	switch {
	case g.times > 0:
		return fmt.Sprintf("≥ %g x", g.times)
	case g.most > 0:
		return fmt.Sprintf("≤ %g %s", g.most, unit)
	case g.least > 0:
		return fmt.Sprintf("≥ %s %s", number(&g.least), unit)
	default:
		return ""
	}
}

// met reports whether the goal is reached, or nil if nobody can say.
func (g goal) met(f figure) *bool {
	var yes bool
	switch {
	case g.times > 0 && f.Ratio != nil:
		yes = *f.Ratio >= g.times
	case g.most > 0 && f.Ours != nil:
		yes = *f.Ours <= g.most
	case g.least > 0 && f.Ours != nil:
		yes = *f.Ours >= g.least
	default:
		return nil
	}
	return &yes
}

// newFigure compares what two systems gave for a line.
func newFigure(name string, l line, stock, ours *float64) figure {
	f := figure{Name: name, Unit: l.unit, Stock: stock, Ours: ours, Goal: l.goal.text(l.unit)}
	if stock != nil && ours != nil && *stock > 0 && *ours > 0 {
		ratio := *ours / *stock
		if l.less {
			ratio = 1 / ratio
		}
		f.Ratio = &ratio
	}
	f.Met = l.goal.met(f)
	return f
}

func printJSON(out io.Writer, figures []figure) error {
	return json.NewEncoder(out).Encode(map[string]any{"cpus": runtime.NumCPU(), "go": runtime.Version(), "figures": figures})
}

func printTable(out io.Writer, figures []figure) error {
	title := fmt.Sprintf("%d CPUs, %s", runtime.NumCPU(), runtime.Version())
	width := utf8.RuneCountInString(title)
	for _, f := range figures {
		width = max(width, utf8.RuneCountInString(f.Name))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%-*s\tasynq\tBackbeat\t\tbetter\tgoal\t\t\n", width, title)
	for _, f := range figures {
		fmt.Fprintf(w, "%-*s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", width, f.Name, number(f.Stock), number(f.Ours), f.Unit, times(f.Ratio), f.Goal, verdict(f.Met))
	}
	return w.Flush()
}

// number writes three digits that count, and larger ones in full: 0.36, 17.4, 59,070.
func number(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case *v >= 1e6:
		return fmt.Sprintf("%.0f,%03d,%03d", *v/1e6, int(*v)/1000%1000, int(*v)%1000)
	case *v >= 1000:
		return fmt.Sprintf("%d,%03d", int(*v)/1000, int(*v)%1000)
	default:
		return strconv.FormatFloat(*v, 'g', 3, 64)
	}
}

func times(ratio *float64) string {
	switch {
	case ratio == nil:
		return "–"
	case *ratio >= 100:
		return fmt.Sprintf("%.0f x", *ratio)
	default:
		return fmt.Sprintf("%.1f x", *ratio)
	}
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "met"
	default:
		return "missed"
	}
}
