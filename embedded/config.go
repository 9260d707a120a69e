package embedded

import (
	"cmp"
	"log/slog"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

// Config says how Propusk is to behave. The zero value works: its fields mean what the program does when it is told nothing.
type Config struct {
	// Database is where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE. "" is sqlite:propusk.db.
	Database string
	// Policy is the file of the policy that new communities start with; "" is the default policy.
	Policy string
	// Redis, redis://HOST:PORT or rediss://…, is kept to hold every community's lists of permissions; "" is none.
	Redis string
	// MemoryMiB bounds what is remembered of tokens, sessions, memberships and permissions, in MiB; 0 is 64, and below 0 nothing is remembered.
	MemoryMiB int
	// DefaultCommunity is the id of the community that is meant where none is named; 0 is none.
	DefaultCommunity int64

	// AdminEmail and AdminPassword make the first administrator of the platform while there is none. They are set together; without them
	// none is made, see FirstAdmin.
	AdminEmail, AdminPassword string
	// SecretKey, of at least 32 bytes, signs tokens with HS256; "" is a generated Ed25519 key that the database keeps.
	SecretKey string
	// Issuer is the iss and aud of tokens; "" is propusk. Give installations that share a SecretKey one each.
	Issuer string
	// ClosedRegistration keeps strangers from making accounts. Register still does.
	ClosedRegistration bool

	// TokenLifetime is how long an access token is good for, from 1 minute to 24 hours; 0 is 1 hour. SessionIdle ends a session that is not
	// used for that long, at least 5 minutes; 0 is 7 days. SessionAbsolute ends one that long after login, at most 400 days; 0 is 30 days.
	TokenLifetime, SessionIdle, SessionAbsolute time.Duration

	// TrustedProxies are networks such as 10.0.0.0/8, and addresses, of proxies whose X-Forwarded-For names the client of Handler. Without
	// them all who come through a proxy are one client to the limits on failed logins.
	TrustedProxies []string
	// CORSOrigins are the exact origins, such as https://app.example.org, whose pages may call Handler from a browser.
	CORSOrigins []string
	// Logger takes the log, one line for each request among it; nil discards it.
	Logger *slog.Logger

	// PasswordMemoryKiB and PasswordIterations are the cost of hashing a password by Argon2id; 0 is 19456 KiB and 2. Less than that is for
	// tests only.
	PasswordMemoryKiB, PasswordIterations uint32
}

// settings is the checked configuration of the program.
func (c Config) settings() (*config.Config, error) {
	settings, err := app.Settings(c.apply)
	if err != nil {
		return nil, named(err)
	}
	return settings, nil
}

// apply changes the defaults where c says something.
func (c Config) apply(to *config.Config) {
	override(&to.Database, c.Database)
	override(&to.Issuer, c.Issuer)
	override(&to.TokenLifetime, c.TokenLifetime)
	override(&to.SessionIdle, c.SessionIdle)
	override(&to.SessionAbsolute, c.SessionAbsolute)
	override(&to.Memory, c.MemoryMiB)
	to.Memory = max(to.Memory, 0)
	override(&to.PasswordMemory, c.PasswordMemoryKiB)
	override(&to.PasswordIterations, c.PasswordIterations)
	to.Policy, to.Redis, to.DefaultCommunity = c.Policy, c.Redis, c.DefaultCommunity
	to.AdminEmail, to.AdminPassword, to.SecretKey = c.AdminEmail, c.AdminPassword, c.SecretKey
	to.TrustedProxies, to.CORSOrigins = c.TrustedProxies, c.CORSOrigins
	if c.ClosedRegistration {
		_ = to.Registration.Set("closed") // one of its words
	}
}

func override[T comparable](setting *T, with T) { *setting = cmp.Or(with, *setting) }

// fault is an error about a setting, told by the name that the field has here.
type fault struct {
	text  string
	cause error
}

func (f *fault) Error() string { return "embedded: " + f.text }

func (f *fault) Unwrap() error { return f.cause }

// named tells the fault of a setting by the field of Config, where the program would name a flag.
func named(err error) error {
	text := err.Error()
	for flag, field := range map[string]string{
		"database": "Database", "policy": "Policy", "redis": "Redis", "memory": "MemoryMiB", "default-community": "DefaultCommunity", "admin-email": "AdminEmail",
		"secret-key": "SecretKey", "issuer": "Issuer", "token-lifetime": "TokenLifetime", "session-idle": "SessionIdle",
		"session-absolute": "SessionAbsolute", "trusted-proxies": "TrustedProxies", "cors-origins": "CORSOrigins",
	} {
		for _, before := range []string{"--" + flag + " (" + config.Env(flag) + ") ", "--" + flag + ": "} {
			if want, found := strings.CutPrefix(text, before); found {
				return &fault{"Config." + field + " " + inGo.Replace(want), err}
			}
		}
	}
	return err
}

// inGo are the names that one setting gives to another.
var inGo = strings.NewReplacer("admin-password", "AdminPassword", "session-absolute", "SessionAbsolute")
