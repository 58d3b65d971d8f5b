package remote_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkLatency is the time from a change in the source to the same content
// in the replica, on this machine and over TLS on its loopback:
//
//	go test -run '^$' -bench Latency -benchtime 300x ./e2e/remote
func BenchmarkLatency(b *testing.B) {
	for _, over := range []string{"local", "TLS"} {
		b.Run(over, func(b *testing.B) {
			server, client := newSide(b), newSide(b)
			source, replica := b.TempDir(), filepath.Join(b.TempDir(), "replica")
			write(b, filepath.Join(source, "file"), "0")
			target := replica
			if over == "TLS" {
				_, target = served(b, server, replica, "127.0.0.1:"+freePort(b), client)
			}
			p := client.start("mirror", nil, "--interval", "1h", source, target)
			if err := p.Ready(); err != nil {
				b.Fatalf("%v\n%s", err, p.Output())
			}
			var all []time.Duration
			for i := 0; b.Loop(); i++ {
				all = append(all, follow(b, source, replica, fmt.Sprint("version ", i)))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// follow changes the file and waits until the replica has it.
func follow(b *testing.B, source, replica, content string) time.Duration {
	b.Helper()
	write(b, filepath.Join(source, "file"), content)
	began := time.Now()
	again := time.NewTicker(50 * time.Microsecond) // finer than what is measured
	defer again.Stop()
	for {
		have, err := os.ReadFile(filepath.Join(replica, "file"))
		if err == nil && string(have) == content {
			return time.Since(began)
		}
		if time.Since(began) > 10*time.Second {
			b.Fatalf("%q, %v", have, err)
		}
		<-again.C
	}
}
