package mirror

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// endpoint is what a URL names:
//
//	redis://USER:PASSWORD@HOST:PORT/DATABASE
//	rediss://…      the same through TLS, 1.2 or newer, with the certificate verified
//
// USER, PASSWORD, PORT and DATABASE may be left out; special characters of the first two are in percent form. Several HOST:PORT, parted
// by commas, are nodes of a Cluster, which has no DATABASE; a single node of one is found to be that. Parameters are
//
//	master_set         the name of a master: the hosts are Sentinels, which know where it is; their port is 26379 unless said otherwise
//	sentinel_user      for the Sentinels, where they want
//	sentinel_password  somebody else than Redis does, or anybody at all
//	tls_ca             a file of certificates in PEM form that are trusted instead of the system's
type endpoint struct {
	addresses                      []string
	user, password                 string
	database                       int
	masterSet                      string
	sentinelUser, sentinelPassword string
	tls                            *tls.Config
}

// errURL says what is wrong with a URL without repeating any of it: where one is malformed, any part may hold the password.
var errURL = errors.New("the URL must look like redis://USER:PASSWORD@HOST:6379/0, or rediss:// for TLS, with special characters of the " +
	"password in percent form (@ as %40, / as %2F); several HOST:PORT, parted by commas, are nodes of a Cluster, " +
	"and with ?master_set=NAME they are Sentinels")

// wellFormed is a URL after its scheme whose parts cannot be taken for others: user, password, hosts with ports, database, parameters.
var wellFormed = regexp.MustCompile(`^(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(` + host + `(?:,` + host + `)*)(?:/(\d{0,9}))?(?:\?([^@#]*))?$`)

const host = `(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?`

// split takes a URL apart.
func split(text string) (scheme string, parts []string, ok bool) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "redis" && scheme != "rediss" {
		return "", nil, false
	}
	parts = wellFormed.FindStringSubmatch(rest)
	return scheme, parts, parts != nil
}

// Redact is a URL without password and parameters. Where a password was written without care, an unescaped / or @ in it perhaps,
// any part may hold it, and nothing is shown.
func Redact(text string) string {
	scheme, parts, ok := split(text)
	if !ok {
		return "…"
	}
	shown := scheme + "://"
	if parts[1] != "" {
		shown += parts[1] + "@"
	}
	shown += parts[3]
	if parts[4] != "" {
		shown += "/" + parts[4]
	}
	return shown
}

func parse(text string) (endpoint, error) {
	scheme, parts, ok := split(text)
	if !ok {
		return endpoint{}, errURL
	}
	var e endpoint
	var errs [4]error
	e.user, errs[0] = url.PathUnescape(parts[1])
	e.password, errs[1] = url.PathUnescape(parts[2])
	parameters, err := url.ParseQuery(parts[5])
	errs[2] = err
	if parts[4] != "" {
		e.database, errs[3] = strconv.Atoi(parts[4])
	}
	if errors.Join(errs[:]...) != nil {
		return endpoint{}, errURL
	}
	if scheme == "rediss" {
		e.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := e.configure(parameters); err != nil {
		return endpoint{}, err
	}
	return e, e.locate(strings.Split(parts[3], ","))
}

// configure takes the parameters.
func (e *endpoint) configure(parameters url.Values) error {
	authorities := ""
	for name, target := range map[string]*string{
		"master_set": &e.masterSet, "sentinel_user": &e.sentinelUser, "sentinel_password": &e.sentinelPassword, "tls_ca": &authorities,
	} {
		values, set := parameters[name]
		if !set {
			continue
		}
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("parameter %s of the URL must have one value", name)
		}
		*target = values[0]
		delete(parameters, name)
	}
	switch {
	case len(parameters) > 0:
		return errors.New("the URL has a parameter that is none of master_set, sentinel_user, sentinel_password and tls_ca")
	case e.masterSet == "" && e.sentinelUser+e.sentinelPassword != "":
		return errors.New("sentinel_user and sentinel_password in the URL need master_set")
	case authorities == "":
		return nil
	case e.tls == nil:
		return errors.New("tls_ca in the URL needs rediss://")
	}
	return e.trust(authorities)
}

// trust makes the certificates in a file the only ones that others are trusted by.
func (e *endpoint) trust(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("tls_ca: %w", err)
	}
	e.tls.RootCAs = x509.NewCertPool()
	if !e.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("tls_ca: %s holds no certificate in PEM form", file)
	}
	return nil
}

// locate takes the hosts.
func (e *endpoint) locate(hosts []string) error {
	standard := "6379"
	if e.masterSet != "" {
		standard = "26379"
	} else if len(hosts) > 1 && e.database != 0 {
		return errors.New("the URL names several hosts, so a Cluster, and a database, which a Cluster has not; Sentinels need master_set")
	}
	for _, host := range hosts {
		name, port, err := net.SplitHostPort(host)
		if err != nil {
			name, port = strings.Trim(host, "[]"), standard
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errURL
		}
		e.addresses = append(e.addresses, net.JoinHostPort(name, port))
	}
	return nil
}

// censor removes passwords from what a server said: an old one repeats commands that it does not know, AUTH among them.
func (e *endpoint) censor(err error) string {
	text := err.Error()
	for _, secret := range []string{e.password, e.sentinelPassword} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
