// Package config is every setting of the program: its flag, its PROPUSK_… twin in the environment, its default and its check.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Config is how one process was told to behave. Load gives a checked one; the zero value does not run.
type Config struct {
	// Listen is HOST:PORT; port 0 takes a free one.
	Listen string
	// Database is sqlite:PATH or postgres://….
	Database string

	// HA says that a standby must have what is answered, and has the server watch whether one does.
	HA bool

	// Policy is the file of the community policy; empty for the default one.
	Policy string
	// Redis is where compiled lists are mirrored; empty for nowhere.
	Redis string
	// DefaultCommunity is where checks are about that name no community; 0 for nowhere.
	DefaultCommunity int64

	// AdminEmail and AdminPassword make the first administrator while there is none.
	AdminEmail, AdminPassword string
	// SecretKey, when set, signs tokens with HS256 instead of a generated Ed25519 key.
	SecretKey string
	// Issuer is the iss and aud of tokens.
	Issuer string
	// Registration says whether anybody may make an account.
	Registration Choice

	// TokenLifetime, SessionIdle and SessionAbsolute limit a login in time.
	TokenLifetime, SessionIdle, SessionAbsolute time.Duration

	// Memory (MiB) bounds what is remembered of the database; 0 remembers nothing.
	Memory int

	// StrictClock has leases go by a clock that does not stand still while the machine is suspended.
	StrictClock bool

	// PasswordMinLength is in characters.
	PasswordMinLength int
	// PasswordBlocklist refuses common passwords.
	PasswordBlocklist Choice
	// PasswordMemory (KiB), PasswordIterations and PasswordParallelism are the cost of Argon2id.
	PasswordMemory, PasswordIterations uint32
	PasswordParallelism                uint8
	// PasswordSlots is how many passwords are hashed at once, PasswordQueue how many more may wait for each slot.
	PasswordSlots, PasswordQueue int

	// LoginLimit limits failed logins.
	LoginLimit Choice
	// TrustedProxies are networks in CIDR form, or single addresses, whose X-Forwarded-For counts.
	TrustedProxies []string
	// MetricsListen is HOST:PORT for /metrics; empty: on Listen, for callers on this machine only.
	MetricsListen string
	// CORSOrigins are the exact origins whose pages may call the API from a browser.
	CORSOrigins []string
	// GraphQLIntrospection lets clients read the schema of /graphql.
	GraphQLIntrospection Choice
	// AccessLog writes a line for every request.
	AccessLog Choice
	// LogFormat is text, json, or auto: text on a terminal, JSON otherwise.
	LogFormat Choice
	// LogLevel is debug, info, warn or error.
	LogLevel Choice
	// Drain is how long a stop says that it stops, and goes on, before it takes no new connections; 0 for not at all.
	Drain time.Duration
	// ShutdownTimeout is how long a stop waits for requests that are being answered.
	ShutdownTimeout time.Duration
}

// Group is a part of the settings that a command takes.
type Group int

// The groups.
const (
	Server Group = iota
	Database
	Passwords
	Admin
	Tokens
	Policy
)

const envPrefix = "PROPUSK_"

// Env is the name that a flag has in the environment.
func Env(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Register adds the flags of the groups to fs and returns the Config that Load will fill. Settings of other groups have their defaults.
func Register(fs *pflag.FlagSet, groups ...Group) *Config {
	c := &Config{}
	unused := pflag.NewFlagSet("", pflag.ContinueOnError)
	all(c, func(g Group, define func(*pflag.FlagSet)) {
		if slices.Contains(groups, g) {
			define(fs)
		} else {
			define(unused)
		}
	})
	return c
}

// Default is the configuration of a program that was told nothing.
func Default() *Config {
	return Register(pflag.NewFlagSet("", pflag.ContinueOnError))
}

// all is the one list of settings.
func all(c *Config, group func(Group, func(*pflag.FlagSet))) {
	group(Database, func(fs *pflag.FlagSet) {
		fs.StringVar(&c.Database, "database", "sqlite:propusk.db", "`URL` of where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
	})
	group(Policy, func(fs *pflag.FlagSet) {
		fs.StringVar(&c.Policy, "policy", "", "policy `FILE` for new communities, instead of the default one (see propusk policy show community --source)")
	})
	group(Admin, func(fs *pflag.FlagSet) {
		fs.StringVar(&c.AdminEmail, "admin-email", "", "e-mail `ADDRESS` of the first administrator; looked at only while there is none")
		secret(fs, &c.AdminPassword, "admin-password", "`PASSWORD` of the first administrator")
	})
	group(Tokens, func(fs *pflag.FlagSet) {
		secret(fs, &c.SecretKey, "secret-key", "sign tokens with HS256 and this `SECRET` of at least 32 bytes, instead of a generated Ed25519 key")
	})
	group(Server, func(fs *pflag.FlagSet) {
		fs.StringVar(&c.Listen, "listen", "127.0.0.1:8000", "`HOST:PORT` to listen on; port 0 takes a free one")
		fs.StringVar(&c.Issuer, "issuer", "propusk", "`NAME` for the iss and aud of tokens; give each installation its own")
		choice(fs, &c.Registration, "registration", "may people make accounts by themselves?", "open", "closed")
		fs.StringVar(&c.Redis, "redis", "", "`URL` of a Redis that is kept to hold every community's lists of permissions: redis://HOST:6379, rediss://…")
		fs.BoolVar(&c.HA, "ha", false, "watch whether a standby of PostgreSQL has each change before it is answered, and tell it in /readyz")
		fs.Int64Var(&c.DefaultCommunity, "default-community", 0, "`ID` of the community that checks without one are about; 0 for none")
		fs.IntVar(&c.Memory, "memory", 64, "`MIB` of memory for what was read from the database and has not changed since; 0 reads it again each time")
		fs.BoolVar(&c.StrictClock, "strict-clock", false, "remember by a clock that goes on while the machine is suspended (Linux); each check takes a little longer")
		fs.DurationVar(&c.TokenLifetime, "token-lifetime", time.Hour, "how long an access token is good for")
		fs.DurationVar(&c.SessionIdle, "session-idle", 7*24*time.Hour, "a session not used for that long ends")
		fs.DurationVar(&c.SessionAbsolute, "session-absolute", 30*24*time.Hour, "a session ends that long after login, whatever happens")
		choice(fs, &c.LoginLimit, "login-limit", "limit failed logins? off is for load tests", "on", "off")
		fs.StringSliceVar(&c.TrustedProxies, "trusted-proxies", nil, "`NETWORKS` of proxies whose X-Forwarded-For names the client, such as 10.0.0.0/8")
		fs.StringVar(&c.MetricsListen, "metrics-listen", "", "`HOST:PORT` for /metrics alone; by default it is on --listen, for callers on this machine only")
		fs.StringSliceVar(&c.CORSOrigins, "cors-origins", nil, "exact `ORIGINS` whose pages may call the API, such as https://app.example.org")
		choice(fs, &c.GraphQLIntrospection, "graphql-introspection", "may clients read the schema from /graphql, and people try it there in a browser? on is for development", "off", "on")
		choice(fs, &c.AccessLog, "access-log", "write a line for every request?", "on", "off")
		choice(fs, &c.LogFormat, "log-format", "how log lines look; auto is text on a terminal and JSON otherwise", "auto", "text", "json")
		choice(fs, &c.LogLevel, "log-level", "the least important lines to write", "info", "debug", "warn", "error")
		fs.DurationVar(&c.Drain, "drain", 0, "how long a stop lets /readyz say so first, and goes on as before; behind a proxy, longer than the proxy takes to notice")
		fs.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long a stop waits for requests that are being answered")
	})
	group(Passwords, func(fs *pflag.FlagSet) {
		fs.IntVar(&c.PasswordMinLength, "password-min-length", 8, "fewest characters of a new password")
		choice(fs, &c.PasswordBlocklist, "password-blocklist", "refuse common passwords?", "on", "off")
		fs.Uint32Var(&c.PasswordMemory, "password-memory", 19456, "Argon2id memory of one hash in KiB")
		fs.Uint32Var(&c.PasswordIterations, "password-iterations", 2, "Argon2id passes over that memory")
		fs.Uint8Var(&c.PasswordParallelism, "password-parallelism", 1, "Argon2id lanes")
		fs.IntVar(&c.PasswordSlots, "password-slots", max(1, runtime.NumCPU()-1), "passwords hashed at once; the default leaves one core to everything else")
		fs.IntVar(&c.PasswordQueue, "password-queue", 32, "logins that may wait for each slot; more are told to come back later")
	})
}

const annotationFile = "propusk_file_of"

// secret defines a setting with a twin that names a file, so that the value need not stand in a process list.
func secret(fs *pflag.FlagSet, to *string, name, usage string) {
	fs.StringVar(to, name, "", usage+"; others can see flags, so prefer the environment or --"+name+"-file")
	fs.String(name+"-file", "", "`FILE` that holds the "+name+"; one line end at its end is ignored")
	_ = fs.SetAnnotation(name+"-file", annotationFile, []string{name})
}

// Load fills what no flag has set from the environment (as from os.Environ) and from the files that were named, and checks the whole.
// A flag goes before its twin. An empty variable counts as not set. Of variables that begin with PROPUSK_ only twins of flags are
// allowed: known are the names of all flags of all commands. An error is one line that says what to do and holds no value.
func Load(fs *pflag.FlagSet, c *Config, environ, known []string) error {
	if err := fromEnvironment(fs, environ, known); err != nil {
		return err
	}
	if err := fromFiles(fs); err != nil {
		return err
	}
	return c.check(fs)
}

func fromEnvironment(fs *pflag.FlagSet, environ, known []string) error {
	flags := make(map[string]string)
	for _, name := range known {
		flags[Env(name)] = name
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		flagName, ok := flags[name]
		if !ok {
			return fmt.Errorf("there is no setting %s: %s", name, suggestion(name, known))
		}
		flag := fs.Lookup(flagName)
		if flag == nil || flag.Changed || value == "" {
			continue
		}
		if err := fs.Set(flagName, value); err != nil {
			return fmt.Errorf("%s must be %s, such as %s", name, flag.Value.Type(), flag.DefValue)
		}
	}
	return nil
}

func suggestion(name string, known []string) string {
	for _, flag := range known {
		if near(name, Env(flag)) {
			return "did you mean " + Env(flag) + "?"
		}
	}
	return "see propusk serve --help"
}

// near reports whether two names differ in at most two places at their ends' common part.
func near(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	j := 0
	for j < len(a)-i && j < len(b)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	return max(len(a), len(b))-i-j <= 2
}

func fromFiles(fs *pflag.FlagSet) error {
	var first error
	fs.VisitAll(func(f *pflag.Flag) {
		target, isFile := f.Annotations[annotationFile]
		if !isFile || f.Value.String() == "" || first != nil {
			return
		}
		first = fromFile(fs, target[0], f)
	})
	return first
}

func fromFile(fs *pflag.FlagSet, target string, file *pflag.Flag) error {
	if fs.Lookup(target).Value.String() != "" {
		return fmt.Errorf("--%s and --%s are both set: keep one", target, file.Name)
	}
	content, err := os.ReadFile(file.Value.String())
	if err != nil {
		return fmt.Errorf("--%s: %w", file.Name, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return fmt.Errorf("--%s: the file is empty", file.Name)
	}
	return fs.Set(target, value)
}

// check tells the first setting that cannot work, alone or with the others. Settings of groups that were not registered are not looked at.
func (c *Config) check(fs *pflag.FlagSet) error {
	for _, rule := range []struct {
		flag string
		ok   bool
		want string
	}{
		{"listen", validListen(c.Listen), "must be HOST:PORT, such as 127.0.0.1:8000 or :8000"},
		{"database", validDatabase(c.Database), "must be sqlite:PATH or postgres://USER@HOST/DATABASE"},
		{"redis", c.Redis == "" || strings.HasPrefix(c.Redis, "redis://") || strings.HasPrefix(c.Redis, "rediss://"), "must be redis://HOST:PORT or rediss://HOST:PORT"},
		{"default-community", c.DefaultCommunity >= 0, "must be the id of a community, or 0"},
		{"admin-email", (c.AdminEmail == "") == (c.AdminPassword == ""), "and admin-password must be set together"},
		{"memory", c.Memory >= 0 && c.Memory <= 1<<20, "must be between 0 and 1048576 MiB"},
		{"secret-key", c.SecretKey == "" || len(c.SecretKey) >= 32, "must have at least 32 bytes: make one with openssl rand -base64 32"},
		{"issuer", c.Issuer != "" && len(c.Issuer) <= 200, "must have 1 to 200 bytes"},
		{"token-lifetime", c.TokenLifetime >= time.Minute && c.TokenLifetime <= 24*time.Hour, "must be from 1m to 24h"},
		{"session-idle", c.SessionIdle >= 5*time.Minute && c.SessionIdle <= c.SessionAbsolute, "must be at least 5m and at most session-absolute"},
		{"session-absolute", c.SessionAbsolute <= 400*24*time.Hour, "must be at most 9600h (400 days)"},
		{"password-min-length", c.PasswordMinLength >= 1 && c.PasswordMinLength <= 64, "must be from 1 to 64 characters"},
		{"password-slots", c.PasswordSlots >= 1 && c.PasswordSlots <= 1024, "must be from 1 to 1024"},
		{"password-queue", c.PasswordQueue >= 1 && c.PasswordQueue <= 10_000, "must be from 1 to 10000"},
		{"cors-origins", validOrigins(c.CORSOrigins), "must be exact origins such as https://app.example.org, without a path; * is not allowed"},
		{"trusted-proxies", validNetworks(c.TrustedProxies), "must be networks such as 10.0.0.0/8 or addresses such as 192.0.2.1"},
		{"metrics-listen", c.MetricsListen == "" || validListen(c.MetricsListen), "must be HOST:PORT, such as 127.0.0.1:9100"},
		{"drain", c.Drain >= 0 && c.Drain <= 10*time.Minute, "must be from 0s to 10m"},
		{"ha", !c.HA || !strings.HasPrefix(c.Database, "sqlite:"), "needs PostgreSQL with a standby: a file of SQLite has none, so leave --ha out or set --database"},
		{"shutdown-timeout", c.ShutdownTimeout > 0, "must be more than 0"},
	} {
		if fs.Lookup(rule.flag) != nil && !rule.ok {
			return fmt.Errorf("--%s (%s) %s", rule.flag, Env(rule.flag), rule.want)
		}
	}
	return nil
}

func validDatabase(url string) bool {
	return slices.ContainsFunc([]string{"sqlite:", "postgres://", "postgresql://"}, func(scheme string) bool {
		return strings.HasPrefix(url, scheme) && len(url) > len(scheme)
	})
}

func validListen(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port != ""
}

func validNetworks(networks []string) bool {
	_, err := Networks(networks)
	return err == nil
}

// Networks parses networks in CIDR form and single addresses.
func Networks(texts []string) ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if address, aerr := netip.ParseAddr(text); aerr == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return nil, err
		}
		networks[i] = prefix
	}
	return networks, nil
}

func validOrigins(origins []string) bool {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return false
		}
	}
	return true
}
