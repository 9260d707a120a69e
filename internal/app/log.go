package app

import (
	"log/slog"

	"github.com/lmittmann/tint"

	"github.com/propusk/propusk/internal/config"
)

// newLogger writes coloured lines for people and JSON for programs. Either way one event is one line: both handlers escape line ends.
func newLogger(c *config.Config, t Terminal) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel.String()))
	if c.LogFormat.Is("text") || (c.LogFormat.Is("auto") && t.IsTerminal) {
		return slog.New(tint.NewTextHandler(t.Log, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !t.IsTerminal}))
	}
	return slog.New(slog.NewJSONHandler(t.Log, &slog.HandlerOptions{Level: level}))
}
