package mirror

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"redis://localhost":                               "[localhost:6379] user= password= db=0 master= tls=false",
		"redis://localhost/":                              "[localhost:6379] user= password= db=0 master= tls=false",
		"redis://:s%40%2F%3A@10.0.0.1:7000/3":             "[10.0.0.1:7000] user= password=s@/: db=3 master= tls=false",
		"rediss://me:secret@redis.example":                "[redis.example:6379] user=me password=secret db=0 master= tls=true",
		"redis://[::1],[fe80::1]:7001":                    "[[::1]:6379 [fe80::1]:7001] user= password= db=0 master= tls=false",
		"redis://:secret@a:1,b,c:3":                       "[a:1 b:6379 c:3] user= password=secret db=0 master= tls=false",
		"rediss://:secret@a,b:1/2?master_set=main":        "[a:26379 b:1] user= password=secret db=2 master=main tls=true",
		"redis://a?master_set=m&sentinel_password=secret": "[a:26379] user= password= db=0 master=m tls=false",
	} {
		e, err := parse(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := fmt.Sprintf("%v user=%s password=%s db=%d master=%s tls=%t", e.addresses, e.user, e.password, e.database, e.masterSet, e.tls != nil)
		if got != want {
			t.Errorf("%s:\n%s, want\n%s", url, got, want)
		}
	}
}

// A URL is refused or understood; its password is in no error and not in its redacted form, however it was written.
func TestPasswordsAreNeverRepeated(t *testing.T) {
	noCertificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noCertificate, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, redacted := range map[string]string{
		"redis://:hunter2@":                            "…",
		"redis://:hunter2@h:0":                         "redis://h:0",
		"redis://:hunter2@h:99999":                     "redis://h:99999",
		"redis://:hun%ter2@h":                          "redis://h",
		"redis://:h/unter2@h":                          "…",
		"redis://:h@unter2@h":                          "…",
		"redis://:h#unter2@h":                          "…",
		"redis://:1?hunter2@h":                         "…",
		"redis://:hunter2@h/x":                         "…",
		"redis://:hunter2@h/1/2":                       "…",
		"redis://:hunter2@h,i/1":                       "redis://h,i/1",
		"redis://me:hunter2@h/1?hunter2=1":             "redis://me@h/1",
		"redis://:hunter2@h?master_set=":               "redis://h",
		"redis://:hunter2@h?master_set=a&master_set=b": "redis://h",
		"redis://:hunter2@h?sentinel_password=hunter2": "redis://h",
		"redis://:hunter2@h?a=%zz":                     "redis://h",
		"redis://:hunter2@h?tls_ca=/none":              "redis://h",
		"rediss://:hunter2@h?tls_ca=/none":             "rediss://h",
		"rediss://:hunter2@h?tls_ca=" + noCertificate:  "rediss://h",
		"http://:hunter2@h":                            "…",
		"hunter2":                                      "…",
		"":                                             "…",
		"redis://h?master_set=m&sentinel_user=u&sentinel_user=hunter2": "redis://h",
	} {
		_, err := Open(url, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s is taken", url)
		} else if strings.Contains(err.Error(), "unter2") {
			t.Errorf("%s: %v", url, err)
		}
		if got := Redact(url); got != redacted {
			t.Errorf("%s redacted is %s, want %s", url, got, redacted)
		}
	}
}

func TestWhatServersSayIsCensored(t *testing.T) {
	e, err := parse("redis://:hunter2@h?master_set=m&sentinel_password=hunter3")
	if err != nil {
		t.Fatal(err)
	}
	said := refusal("ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hunter2' 'hunter3'")
	if got := e.censor(said); strings.Contains(got, "hunter") {
		t.Error(got)
	}
}
