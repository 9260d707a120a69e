package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	// patience is how long a run may take before people want to know how far it is, redraw how often they can read that.
	patience = 2 * time.Second
	redraw   = 100 * time.Millisecond
)

// progress shows on a terminal how far a long run is. A nil one shows nothing.
type progress struct {
	w              io.Writer
	now            func() time.Time
	done, total    int
	started, drawn time.Time
	visible        bool
}

// newProgress is nil unless w is a terminal.
func newProgress(w io.Writer, total int) *progress {
	if file, is := w.(*os.File); !is || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return &progress{w: w, now: time.Now, total: total, started: time.Now()}
}

// step takes note of one more that is done.
func (p *progress) step() {
	if p == nil {
		return
	}
	p.done++
	p.draw("")
}

// draw shows how far it is, if that is due.
func (p *progress) draw(what string) {
	now := p.now()
	if now.Sub(p.started) < patience || now.Sub(p.drawn) < redraw {
		return
	}
	p.total = max(p.total, p.done, 1) // others may have come since they were counted
	p.clear()
	fmt.Fprintf(p.w, "%s%d/%d, %d%%", what, p.done, p.total, p.done*100/p.total)
	p.drawn, p.visible = now, true
}

// clear makes room for a line of other output.
func (p *progress) clear() {
	if p != nil && p.visible {
		fmt.Fprint(p.w, "\r\033[K")
		p.visible = false
	}
}

// stages shows on a terminal how far a run is that has several stages. A nil one shows nothing.
type stages struct{ bar progress }

// newStages is nil unless w is a terminal.
func newStages(w io.Writer) *stages {
	bar := newProgress(w, 0)
	if bar == nil {
		return nil
	}
	return &stages{bar: *bar}
}

// at takes note of how far a stage is.
func (s *stages) at(stage string, done, total int) {
	if s == nil {
		return
	}
	s.bar.done, s.bar.total = done, total
	s.bar.draw(stage + ": ")
}

// clear makes room for a line of other output.
func (s *stages) clear() {
	if s != nil {
		s.bar.clear()
	}
}
