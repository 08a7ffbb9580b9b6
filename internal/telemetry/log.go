// Package telemetry provides the logs, metrics and traces of the programs.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// levelAlways is above every level that can be configured.
const levelAlways = slog.Level(100)

// NewLogger returns a logger for a level (debug, info, warn or error) and a format (text, json, or "" for text on a terminal
// and JSON otherwise).
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var min slog.Level
	if err := min.UnmarshalText([]byte(level)); err != nil {
		min = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: min, ReplaceAttr: plainLevel}
	if format == "text" || format == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// Ready logs that the program is ready, at any log level: scripts wait for this line.
func Ready(logger *slog.Logger, attrs ...any) {
	logger.Log(context.Background(), levelAlways, "ready", attrs...)
}

func plainLevel(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey {
		if level == levelAlways {
			level = slog.LevelInfo
		}
		a.Value = slog.StringValue(strings.ToLower(level.String()))
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
