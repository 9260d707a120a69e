package main

import (
	"fmt"
	"os"
	"strings"
)

// The lines between which the page holds the results.
const (
	figuresBegin = "<!-- figures: written by \"go -C bench run ./speed -update-docs\" -->\n```text\n"
	figuresEnd   = "```\n<!-- end of figures -->\n"
)

// quoted is the text that the page holds between its marks.
func quoted(page string) (before, text, after string, err error) {
	before, rest, begins := strings.Cut(page, figuresBegin)
	text, after, ends := strings.Cut(rest, figuresEnd)
	if !begins || !ends {
		return "", "", "", fmt.Errorf("the page has no place for figures: it needs\n%s…\n%s", figuresBegin, figuresEnd)
	}
	return before, text, after, nil
}

// updatePage puts the text in place of the one that the page holds.
func updatePage(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, after, err := quoted(string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(before+figuresBegin+text+figuresEnd+after), 0o644)
}
