package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// oldestPostgres is the first major version of PostgreSQL that is tested.
const oldestPostgres = 15

// Defaults of the parameters of a URL.
const (
	defaultConns = 16
	minConns     = 2 // a View may be open while another statement runs
	// connectPatience is how long one attempt to connect may take while serving. Nobody is let in meanwhile, so it is short.
	connectPatience = 900 * time.Millisecond
	// startPatience is the same for the first connection.
	startPatience = 10 * time.Second
)

// postgresURL is a database that a URL postgres://USER:PASSWORD@HOST:PORT/NAME?PARAMETER=VALUE names, with several HOST:PORT, parted
// by commas, where it may have moved. What the URL leaves out comes from PGHOST, PGPASSWORD, PGPASSFILE and the other variables of
// libpq. Parameters are those of libpq (sslmode, sslrootcert, connect_timeout, application_name, …), settings of the server for each
// connection (statement_timeout, search_path, …), and
//
//	pool_max_conns  most connections at once, 16 unless said otherwise; the least is 2. Beside them there are six for the lease, and for moments a seventh.
//
// A pooler in between must give each connection its own server process, as PgBouncer's session mode does: statements stay prepared. Others are refused.
type postgresURL struct {
	config *pgx.ConnConfig
	conns  int
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// errURL says what is wrong with a URL without repeating any of it: where one is malformed, any part may hold the password.
var errURL = errors.New("the URL must look like postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full, with special " +
	"characters of the password in percent form (@ as %40, / as %2F); if it does, one of its parameters has a value that is not allowed")

func parsePostgres(url string) (postgresURL, error) {
	if redactPostgres(url) == hidden {
		return postgresURL{}, errURL
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		var file *fs.PathError
		if errors.As(err, &file) { // a certificate that cannot be read
			return postgresURL{}, file
		}
		return postgresURL{}, errURL
	}
	conns, err := poolSize(config)
	if err != nil {
		return postgresURL{}, err
	}
	for name, value := range serverDefaults {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	config.RuntimeParams["client_min_messages"] = "warning" // a commit that gave up waiting for a standby is told apart by nothing but a warning
	// Of several hosts only the one that takes writes will do, and after a failover that is another.
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	config.AfterConnect, config.OnNotice = suitable, warned
	return postgresURL{config, conns}, nil
}

// serverDefaults are settings of the server for our connections.
var serverDefaults = map[string]string{
	"application_name": "propusk",
	// What was answered is on the disk, even where the server's own default is not to wait for it.
	"synchronous_commit": "on",
	"statement_timeout":  "30s",
	// Lets go of the locks of a node that has died or was stopped in the middle of a transaction.
	"idle_in_transaction_session_timeout": "4s",
	"jit":                                 "off", // it costs more than any of our statements
	"timezone":                            "UTC",
}

// atStartup are settings that a connection is begun with. PgBouncer keeps these for whom it connects, and takes no others, or drops them.
var atStartup = []string{"application_name", "client_encoding", "datestyle", "intervalstyle", "options", "replication", "standard_conforming_strings", "timezone"}

// inSession is a configuration whose other settings are made by a statement as soon as a connection is there, so that a pooler in between can
// neither refuse nor lose them. The same statement tells which server it is.
func inSession(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	names, values, before := []string{}, []string{}, config.AfterConnect
	for name, value := range config.RuntimeParams {
		if !slices.Contains(atStartup, strings.ToLower(name)) {
			names, values = append(names, name), append(values, value)
			delete(config.RuntimeParams, name)
		}
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := before(ctx, conn); err != nil {
			return err
		}
		var text strings.Builder
		args := make([][]byte, 0, 2*len(names))
		for i, name := range names {
			fmt.Fprintf(&text, ", set_config($%d, $%d, false)", 2*i+1, 2*i+2)
			args = append(args, []byte(name), []byte(values[i]))
		}
		told := conn.ExecParams(ctx, "SELECT extract(epoch FROM pg_postmaster_start_time())"+text.String(), args, nil, nil, nil).Read()
		if told.Err == nil {
			conn.CustomData()[whichServer] = string(told.Rows[0][0])
		}
		return told.Err
	}
	return config
}

// whichServer is the key under which a connection knows when the processes of its server began, as a string. No other server, a standby that takes
// over from it least of all, began in the same microsecond.
const whichServer = "propusk server"

// serverOf is the server that a connection was made to.
func serverOf(conn *pgx.Conn) string {
	server, _ := conn.PgConn().CustomData()[whichServer].(string)
	return server
}

func poolSize(config *pgx.ConnConfig) (int, error) {
	const name = "pool_max_conns"
	text, set := config.RuntimeParams[name]
	if !set {
		return defaultConns, nil
	}
	delete(config.RuntimeParams, name) // the server does not know it
	n, err := strconv.Atoi(text)
	if err != nil || n < minConns || n > math.MaxInt16 {
		return 0, fmt.Errorf("%s must be a number from %d", name, minConns)
	}
	return n, nil
}

// suitable refuses a server that Propusk was not made for.
func suitable(_ context.Context, conn *pgconn.PgConn) error {
	if version := conn.ParameterStatus("server_version"); !newEnough(version) {
		return fmt.Errorf("the server is PostgreSQL %s, and Propusk needs %d or newer", version, oldestPostgres)
	}
	if encoding := conn.ParameterStatus("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s, and Propusk needs UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// newEnough takes what a server says of itself, such as 15.18 (Debian 15.18-0+deb12u1) or 19beta1.
func newEnough(version string) bool {
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	major, err := strconv.Atoi(digits)
	return err == nil && major >= oldestPostgres
}

// within is the configuration for connections that are made with this patience, unless the URL says connect_timeout.
func (u postgresURL) within(patience time.Duration) *pgx.ConnConfig {
	config := u.config.Copy()
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	return config
}

// wellFormed is a URL after its scheme whose parts cannot be taken for others: user, password, hosts with ports, database, parameters.
// In the first is the user, in the second are hosts and database.
var wellFormed = regexp.MustCompile(`^(?:([^/?#@:]*)(?::[^/?#@]*)?@)?(` + host + `(?:,` + host + `)*(?:/[^/?#@]*)?)(?:\?[^@#]*)?$`)

const host = `(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?`

// hidden stands for all of a URL.
const hidden = "…"

// redactPostgres is the part of a URL after its scheme, without password and parameters. Where a password was written without care,
// an unescaped / or @ in it perhaps, any part may hold it, and nothing is shown.
func redactPostgres(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	parts := wellFormed.FindStringSubmatch(rest)
	switch {
	case parts == nil:
		return hidden
	case parts[1] == "":
		return parts[2]
	default:
		return parts[1] + "@" + parts[2]
	}
}
