package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fenced are the blocks that a reader is told to paste.
var fenced = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// asAReader makes a shell in which the words of a page mean what they mean to somebody who sits in a clone with the server running in
// another terminal: only the address and the way to the program differ. What starts a server or runs all tests is done elsewhere.
const asAReader = `
set -euo pipefail
go() {
	case "$*" in
	"run ./cmd/propusk serve"*|"test ./..."*) ;;
	"run ./cmd/propusk "*) shift 2; "$PROGRAM" "$@" < /dev/null ;;
	*) echo "the page runs go $*, which this test does not know" >&2; return 1 ;;
	esac
}
curl() {
	local answer
	answer=$(command curl "${@//http:\/\/127.0.0.1:8000/$SERVER}")
	echo "$answer" >> answers
	echo "$answer"
}
`

// Every command of the pages for newcomers does what the page says, in the order of the page.
func TestThePagesCanBePasted(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	pages, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	guides, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, guides...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := fenced.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 || filepath.Base(page) == "CONTRIBUTING.md" { // its commands are those of CI
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			paste(t, blocks)
		})
	}
}

func paste(t *testing.T, blocks [][]string) {
	t.Helper()
	s := serve(t, setup{})
	var script strings.Builder
	script.WriteString(asAReader)
	for _, block := range blocks {
		script.WriteString(block[1] + "\n")
	}
	shell := exec.Command("bash", "-c", script.String())
	shell.Dir = filepath.Dir(s.database)
	shell.Env = append(environment(), "PROGRAM="+program(t), "SERVER="+s.url)
	found := s.out.await(oneTimePassword, s.exited)
	if found == nil {
		t.Fatalf("no password of the first administrator in %s", s.out)
	}
	shell.Stdin = strings.NewReader(found[2] + "\n")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers, err := os.ReadFile(filepath.Join(shell.Dir, "answers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"malformed_request", "invalid_input", "unsupported_media_type", "no_such_route", "missing_permission"} {
		if strings.Contains(string(answers), `"code":"`+unwanted+`"`) {
			t.Errorf("a command of the page was answered %s:\n%s", unwanted, answers)
		}
	}
}
