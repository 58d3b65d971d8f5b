package logging

import (
	"strconv"
	"time"
)

// appendCount appends n with a comma between thousands: 1,204.
func appendCount(b []byte, n int64) []byte {
	if n < 0 {
		return strconv.AppendInt(b, n, 10) // never counted; shown as it is
	}
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], n, 10)
	for i, c := range d {
		if i > 0 && (len(d)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, c)
	}
	return b
}

// appendCounted appends n and its noun: 1 file, 1,204 files.
func appendCounted(b []byte, n int64, noun string) []byte {
	b = appendCount(b, n)
	b = append(b, ' ')
	b = append(b, noun...)
	if n != 1 {
		b = append(b, 's')
	}
	return b
}

// appendBytes appends a size in binary units with at most three digits before the unit: 512 B, 1.2 KiB, 340 MiB.
func appendBytes(b []byte, n int64) []byte {
	if n < 1024 {
		b = strconv.AppendInt(b, n, 10)
		return append(b, " B"...)
	}
	value, unit := float64(n)/1024, 0
	for value >= 999.5 && unit < len(binaryUnits)-1 { // 999.5 would be shown as 1000
		value, unit = value/1024, unit+1
	}
	b = appendShort(b, value)
	return append(b, binaryUnits[unit]...)
}

var binaryUnits = [...]string{" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"}

// appendElapsed appends how long something took, with the precision a person can use: 740 µs, 1.2 ms, 3.4 s, 2 min 5 s.
func appendElapsed(b []byte, d time.Duration) []byte {
	switch {
	case d < 0:
		return append(b, "0 µs"...)
	case d < 999500*time.Nanosecond:
		b = strconv.AppendInt(b, int64(d.Round(time.Microsecond)/time.Microsecond), 10)
		return append(b, " µs"...)
	case d < 999500*time.Microsecond:
		b = appendShort(b, float64(d)/float64(time.Millisecond))
		return append(b, " ms"...)
	case d < 59500*time.Millisecond:
		b = appendShort(b, d.Seconds())
		return append(b, " s"...)
	}
	return appendSpan(b, d)
}

// appendSpan appends a time in whole units, the two largest: 42 s, 2 min 5 s, 3 h 12 min, 2 d 1 h.
func appendSpan(b []byte, d time.Duration) []byte {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	steps := [...]struct {
		size        int64
		name, minor string
		part        int64
	}{
		{86400, " d", " h", 3600},
		{3600, " h", " min", 60},
		{60, " min", " s", 1},
	}
	for _, step := range steps {
		if s < step.size {
			continue
		}
		b = strconv.AppendInt(b, s/step.size, 10)
		b = append(b, step.name...)
		if rest := s % step.size / step.part; rest > 0 {
			b = append(b, ' ')
			b = strconv.AppendInt(b, rest, 10)
			b = append(b, step.minor...)
		}
		return b
	}
	b = strconv.AppendInt(b, s, 10)
	return append(b, " s"...)
}

// appendAge appends how long ago something was, in the largest unit alone: 12 s, 4 min, 2 h.
func appendAge(b []byte, d time.Duration) []byte {
	unit, name := ageUnit(d)
	b = strconv.AppendInt(b, int64(max(d, 0)/unit), 10)
	return append(b, name...)
}

func ageUnit(d time.Duration) (time.Duration, string) {
	switch {
	case d < time.Minute:
		return time.Second, " s"
	case d < time.Hour:
		return time.Minute, " min"
	case d < 48*time.Hour:
		return time.Hour, " h"
	}
	return 24 * time.Hour, " d"
}

// appendShort appends v below 1000: two digits where that says more, never more than three.
func appendShort(b []byte, v float64) []byte {
	if v < 9.95 {
		return strconv.AppendFloat(b, v, 'f', 1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', 0, 64)
}

// milliseconds is the value of [KeyElapsedMS]: to the microsecond.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
