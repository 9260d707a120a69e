package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Choice is a setting with a few allowed words.
type Choice struct {
	value   string
	allowed []string
}

// choice defines the flag; the first word is the default.
func choice(fs *pflag.FlagSet, c *Choice, name, usage string, words ...string) {
	*c = Choice{value: words[0], allowed: words}
	fs.Var(c, name, usage)
}

// Is reports whether that word was chosen.
func (c *Choice) Is(word string) bool { return c.value == word }

// On reports whether the choice is "on".
func (c *Choice) On() bool { return c.Is("on") }

// String is the chosen word.
func (c *Choice) String() string { return c.value }

// Set chooses a word.
func (c *Choice) Set(word string) error {
	if !slices.Contains(c.allowed, word) {
		return fmt.Errorf("must be %s", strings.Join(c.allowed, " or "))
	}
	c.value = word
	return nil
}

// Type names the words for --help.
func (c *Choice) Type() string { return strings.Join(c.allowed, "|") }
