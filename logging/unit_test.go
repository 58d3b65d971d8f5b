package logging

import (
	"math"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	count := func(n int64) string { return string(appendCount(nil, n)) }
	size := func(n int64) string { return string(appendBytes(nil, n)) }
	elapsed := func(d time.Duration) string { return string(appendElapsed(nil, d)) }
	age := func(d time.Duration) string { return string(appendAge(nil, d)) }
	for _, tc := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(1234567), "1,234,567"},
		{count(math.MaxInt64), "9,223,372,036,854,775,807"}, {count(-5), "-5"},
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.0 KiB"}, {size(10188), "9.9 KiB"}, {size(10189), "10 KiB"},
		{size(1023 << 10), "1.0 MiB"}, {size(999 << 10), "999 KiB"}, {size(5 << 40), "5.0 TiB"}, {size(math.MaxInt64), "8.0 EiB"},
		{elapsed(-1), "0 µs"}, {elapsed(0), "0 µs"}, {elapsed(740 * time.Microsecond), "740 µs"},
		{elapsed(999499 * time.Nanosecond), "999 µs"}, {elapsed(999500 * time.Nanosecond), "1.0 ms"},
		{elapsed(9949 * time.Microsecond), "9.9 ms"}, {elapsed(9950 * time.Microsecond), "10 ms"},
		{elapsed(999 * time.Millisecond), "999 ms"}, {elapsed(time.Second), "1.0 s"}, {elapsed(59 * time.Second), "59 s"},
		{elapsed(59500 * time.Millisecond), "1 min"}, {elapsed(125 * time.Second), "2 min 5 s"},
		{elapsed(time.Hour), "1 h"}, {elapsed(3*time.Hour + 12*time.Minute + 5*time.Second), "3 h 12 min"},
		{elapsed(49 * time.Hour), "2 d 1 h"},
		{age(-time.Second), "0 s"}, {age(12 * time.Second), "12 s"}, {age(61 * time.Second), "1 min"},
		{age(time.Hour), "1 h"}, {age(50 * time.Hour), "2 d"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
