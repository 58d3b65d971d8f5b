package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var errNoDuration = errors.New("no duration")

// parseDuration reads what [time.ParseDuration] reads, days ("1d") and weeks
// ("2w") too, together as in "1w2d12h", and a bare number as seconds.
func parseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		ns := seconds * float64(time.Second)
		if math.IsNaN(ns) || math.Abs(ns) >= math.MaxInt64 || strings.ContainsAny(s, "xXpP_") {
			return 0, errNoDuration
		}
		return time.Duration(ns), nil
	}
	var total float64
	rest := strings.TrimPrefix(s, "-")
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return 0, errNoDuration
		}
		total += n * float64(unit.length)
		rest = after
	}
	if rest != "" {
		if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return 0, errNoDuration
		}
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, errNoDuration
		}
		total += float64(d)
	} else if total == 0 && !strings.ContainsAny(s, "wd") {
		return 0, errNoDuration
	}
	if total >= math.MaxInt64 {
		return 0, errNoDuration
	}
	if strings.HasPrefix(s, "-") {
		total = -total
	}
	return time.Duration(total), nil
}
