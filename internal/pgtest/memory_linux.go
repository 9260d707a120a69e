package pgtest

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
)

// memory is a directory whose files are in memory, "" where there is none or where it could get full: a server of a test has some hundred
// megabytes, and several packages are tested at once.
func memory() string {
	const (
		dir    = "/dev/shm"
		tmpfs  = 0x01021994
		plenty = 2 << 30
	)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || int64(fs.Type) != tmpfs || fs.Bavail*uint64(fs.Bsize) < plenty || available() < plenty {
		return ""
	}
	return dir
}

// available is how many bytes of memory programs may still have, as the system says.
func available() (bytes uint64) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
