package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// bar is one figure of a plot.
type bar struct {
	label, text string
	value       float64
	// ours marks Propusk.
	ours bool
}

// panel is a part of a plot, with a scale of its own.
type panel struct {
	title string
	// logarithmic scales begin at a power of ten; others at 0.
	logarithmic bool
	bars        []bar
}

// Sizes of the plot in pixels.
const (
	plotWidth, labelWidth, barWidth = 900, 365, 410
	barStep, barHeight, margin      = 24, 16, 20
	titleStep                       = 40
)

// style gives the plot the colours of the page it is on, light or dark.
const style = `
.ground { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif } .title { font-weight: 600 }
.ours { fill: #1a7f5a } .others { fill: #8c959f } .line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } text { fill: #e6edf3 } .ours { fill: #3fb950 } .others { fill: #6e7681 } .line { stroke: #30363d }
}
`

// plot draws panels one below the other, as a document of SVG.
func plot(title string, panels []panel) string {
	height := margin
	for _, p := range panels {
		height += p.height()
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(title), style)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", plotWidth, height)
	top := 0
	for _, p := range panels {
		p.draw(&b, top)
		top += p.height()
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) height() int { return titleStep + barStep*len(p.bars) }

func (p panel) draw(b *strings.Builder, top int) {
	fmt.Fprintf(b, `<text class="title" x="%d" y="%d">%s</text>`+"\n", margin, top+28, html.EscapeString(p.title))
	p.grid(b, top+titleStep)
	for i, one := range p.bars {
		y, class := top+titleStep+barStep*i, "others"
		if one.ours {
			class = "ours"
		}
		width := max(1, p.scale(one.value)*barWidth)
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+13, html.EscapeString(one.label))
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, class, labelWidth, y, width, barHeight)
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`+"\n", labelWidth+width+6, y+13, html.EscapeString(one.text))
	}
}

// grid draws a line at each power of ten.
func (p panel) grid(b *strings.Builder, top int) {
	if !p.logarithmic {
		return
	}
	low, high := p.decades()
	for decade := low; decade <= high; decade++ {
		x := labelWidth + p.scale(math.Pow(10, decade))*barWidth
		fmt.Fprintf(b, `<line class="line" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`, x, top-4, x, top+barStep*len(p.bars)-4)
	}
	b.WriteString("\n")
}

// scale is how long the bar of a value is, from 0 to 1.
func (p panel) scale(value float64) float64 {
	if !p.logarithmic {
		_, most := p.extremes()
		return ratio(value, most)
	}
	low, high := p.decades()
	return ratio(math.Log10(value)-low, high-low)
}

// decades are the powers of ten around all values.
func (p panel) decades() (low, high float64) {
	least, most := p.extremes()
	return math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
}

func (p panel) extremes() (least, most float64) {
	least = math.Inf(1)
	for _, one := range p.bars {
		least, most = min(least, one.value), max(most, one.value)
	}
	return least, most
}

// panels are what is drawn of the results.
func (r results) panels() (all []panel) {
	for _, c := range r.checks {
		all = append(all, c.panel())
	}
	for _, e := range r.endpoints {
		p := panel{title: e.name + ", requests per second: longer is better"}
		for _, s := range e.servers {
			rate := median(s.rounds)
			p.bars = append(p.bars, bar{s.name, count(int(rate)), rate, s.name != bareServer})
		}
		all = append(all, p)
	}
	if r.logins != nil {
		p := panel{title: "Logins per second: longer is better"}
		for _, s := range []rates{r.logins.hashes, r.logins.logins} {
			rate := median(s.rounds)
			p.bars = append(p.bars, bar{s.name, fmt.Sprintf("%.1f", rate), rate, s.name == r.logins.logins.name})
		}
		all = append(all, p)
	}
	return all
}

// panel draws the enforcers that keep no answers at new questions, and the others at what they have kept: each where it stands best.
func (c checks) panel() panel {
	p := panel{
		title: fmt.Sprintf("One check at %s memberships, one goroutine, logarithmic: shorter is better", count(c.memberships)), logarithmic: true,
	}
	for _, t := range c.anew {
		if strings.Contains(t.contestant, " SyncedEnforcer") || strings.Contains(t.contestant, "Cached") {
			continue
		}
		p.add(t, "")
	}
	for _, t := range c.again {
		if strings.Contains(t.contestant, " CachedEnforcer") && !t.documented() {
			p.add(t, " (asked before)")
		}
	}
	return p
}

func (p *panel) add(t timing, remark string) {
	p.bars = append(p.bars, bar{t.contestant + remark, duration(median(t.serial)), median(t.serial), t.contestant == propuskName})
}
