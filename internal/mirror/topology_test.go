package mirror

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/redistest"
)

// All keys are in a Cluster, each on its node, whether the URL names one node or all. A node that comes back empty is filled again.
func TestCluster(t *testing.T) {
	t.Parallel()
	const n = 30
	nodes := redistest.StartCluster(t, 3)
	var addresses []string
	for _, s := range nodes {
		addresses = append(addresses, s.Address())
		for _, other := range nodes {
			s.Do(t, "ACL", "SETUSER", "default", ">"+other.Password())
		}
	}
	var sql book
	for id := int64(1); id <= n; id++ {
		sql.set(id, list(fmt.Sprint(id)))
	}
	for name, url := range map[string]string{
		"all nodes": fmt.Sprintf("redis://:%s@%s", nodes[0].Password(), strings.Join(addresses, ",")),
		"one node":  fmt.Sprintf("redis://:%s@%s/0", nodes[0].Password(), addresses[1]),
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := opened(t, url, &sql)
			for id := int64(1); id <= n; id++ {
				shows(t, m, id, list(fmt.Sprint(id)))
			}
			sql.set(1, list(name))
			m.Changed(1)
			shows(t, m, 1, list(name))
			sql.set(1, list("1"))
			for _, s := range nodes {
				s.Do(t, "FLUSHALL")
			}
			for id := int64(1); id <= n; id++ {
				shows(t, m, id, list(fmt.Sprint(id)))
			}
			total := int64(0)
			for _, s := range nodes {
				held, _ := s.Do(t, "DBSIZE").(int64)
				if held == 0 {
					t.Error("a node holds nothing")
				}
				total += held
			}
			if total != n {
				t.Errorf("the nodes hold %d keys", total)
			}
		})
	}
}

// Sentinels say where the master is, and where it is now.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	sentinel := redistest.StartSentinel(t, "main", master)
	// A Sentinel learns of replicas by asking the master now and then.
	eventually(t, "the Sentinel knows the replica", func() bool {
		known, _ := sentinel.Do(t, "SENTINEL", "REPLICAS", "main").([]any)
		return len(known) == 1
	})
	var sql book
	sql.set(1, list("a"))
	m, _ := opened(t, fmt.Sprintf("redis://:%s@%s/2?master_set=main&sentinel_password=%s", master.Password(), sentinel.Address(), sentinel.Password()), &sql)
	shows(t, m, 1, list("a"))
	// A Sentinel that waits for a processor may take the master for dead, and a new one has to copy first.
	eventually(t, "the master holds the key", func() bool {
		return strings.Contains(fmt.Sprint(master.Do(t, "INFO", "keyspace")), "db2:keys=1")
	})

	// On loaded machines as well: the Sentinel may take the replica only when it has heard from it lately.
	master.Kill(t)
	begin := time.Now()
	sql.set(1, list("b"))
	m.Changed(1)
	shows(t, m, 1, list("b"))
	t.Logf("after the master was killed it took %v", time.Since(begin))
	if got := fmt.Sprint(replica.Do(t, "ROLE")); !strings.HasPrefix(got, "[master") {
		t.Errorf("the replica says %s", got)
	}
}

// Through TLS the certificate counts, and the host in it.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	number, giveBack, err := busytest.Port()
	if err != nil {
		t.Fatal(err)
	}
	defer giveBack()
	port := strconv.Itoa(number)
	server := redistest.Start(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	var sql book
	sql.set(1, list("a"))
	base := fmt.Sprintf("rediss://:%s@127.0.0.1:%s/0", server.Password(), port)
	m, _ := opened(t, base+"?tls_ca="+cert, &sql)
	shows(t, m, 1, list("a"))

	for name, url := range map[string]string{"unknown authority": base, "not localhost": strings.Replace(base, "127.0.0.1", "localhost", 1) + "?tls_ca=" + cert} {
		m, said := opened(t, url, &sql)
		eventually(t, "the log complains of the certificate, "+name, func() bool { return said.has("x509: ") })
		if m.Stats().Connected {
			t.Errorf("%s: it is connected", name)
		}
	}

	// Frozen, neither a handshake nor a connection that is there keeps anybody.
	server.Freeze(t)
	eventually(t, "the connection is given up", func() bool { return !m.Stats().Connected })
	server.Thaw(t)
	shows(t, m, 1, list("a"))
}

// certificate makes one for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", key)
}
