//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/pgtest"
)

// toPaste are the blocks of docs/scale-out.md that a reader pastes, in their order.
func toPaste(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/scale-out.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range regexp.MustCompile("(?ms)^```bash\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks to paste, and this test knows two", len(blocks))
	}
	return blocks
}

// asCloned is a directory with deploy/ in it, and propusk on the PATH.
func asCloned(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS("../deploy")); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program(t), filepath.Join(bin, "propusk")); err != nil {
		t.Fatal(err)
	}
	return dir, append(append(environment(), "PATH="+bin+":"+os.Getenv("PATH")), cheap...)
}

// From nothing to three nodes behind a proxy, as the page says; only the ports differ.
func TestThreeNodesArePasted(t *testing.T) {
	t.Parallel()
	tool(t, "haproxy")
	tool(t, "curl")
	script := "set -euo pipefail\n" + toPaste(t)[0] + "\necho; for port in 8001 8002 8003; do propusk ready --listen 127.0.0.1:$port; done; echo all are ready\nwait\n"
	for _, port := range []string{"8001", "8002", "8003", "8080"} {
		free := fmt.Sprint(fixedPort(t))
		script = strings.ReplaceAll(script, "127.0.0.1:"+port, "127.0.0.1:"+free)
		script = strings.ReplaceAll(script, port+" ", free+" ")
		script = strings.ReplaceAll(script, port+";", free+";")
	}
	if os.Geteuid() != 0 {
		script = strings.Replace(script, "sed -e", "sed -e '/^\tuser /d' -e '/^\tgroup /d' -e", 1)
	}
	dir, env := asCloned(t)
	shell := exec.Command("bash", "-c", script)
	shell.Dir, shell.Env = dir, append(env, "DATABASE="+pgtest.Database(t))
	p := begin(t, shell, "the page")
	if p.out.await(regexp.MustCompile("all are ready"), p.exited) == nil {
		t.Fatalf("%s\n%s", p.out, p.err)
	}
	if said := p.out.String(); !strings.Contains(said, `"status":"ok"`) || len(oneTimePassword.FindAllString(said, -1)) != 1 {
		t.Errorf("not ready through the proxy, or not one password: %s", said)
	}
}

// The secrets of the containers are made as the page says, and are those that the compose file reads.
func TestSecretsForContainersArePasted(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	dir, env := asCloned(t)
	script := "set -euo pipefail\ndocker() { echo \"docker $*\"; }\n" + toPaste(t)[1]
	shell := exec.Command("bash", "-c", script)
	shell.Dir, shell.Env = dir, env
	out, err := shell.CombinedOutput()
	if err != nil || string(out) != "docker compose --file deploy/compose.yaml up --build --detach\n" {
		t.Fatalf("%v\n%s", err, out)
	}
	secrets := filepath.Join(dir, "deploy", "secrets")
	if info, err := os.Stat(secrets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	compose, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`(?m)(?:file|path): (secrets/[\w.]+)`).FindAllSubmatch(compose, -1) {
		if info, err := os.Stat(filepath.Join(dir, "deploy", string(name[1]))); err != nil || info.Size() < 32 || info.Mode().Perm()&0o044 != 0o044 {
			t.Errorf("%s: %v", name[1], err)
		}
	}
	settings := map[string]string{}
	text, err := os.ReadFile(filepath.Join(secrets, "propusk.env"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		settings[name] = value
	}
	isKnown(t, settings)
}
