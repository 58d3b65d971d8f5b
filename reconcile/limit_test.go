package reconcile_test

import (
	"fmt"
	"testing"

	"lockstep/reconcile"
)

func TestParseLimit(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"0", true}, {"1", true}, {"9223372036854775807", true}, {"0%", true}, {"12.5%", true}, {"100%", true},
		{"", false}, {"-1", false}, {"1.5", false}, {"9223372036854775808", false}, {"%", false}, {"-1%", false},
		{"101%", false}, {"NaN%", false}, {"Inf%", false}, {"5 %", false}, {"five", false}, {"5%%", false}, {" 5", false},
	} {
		t.Run(fmt.Sprintf("%q", c.text), func(t *testing.T) {
			l, err := reconcile.ParseLimit(c.text)
			switch {
			case (err == nil) != c.ok:
				t.Errorf("limit %q, error %v", l, err)
			case c.ok && l.String() != c.text:
				t.Errorf("reads %q", l)
			case !c.ok && l.String() != "":
				t.Errorf("a limit of %q beside the error", l)
			}
		})
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, seed := range []string{"0", "7", "12.5%", "1e1%", "-0%", "0x10", "1_0", "100%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := reconcile.ParseLimit(text)
		if err != nil {
			return
		}
		again, err := reconcile.ParseLimit(l.String())
		if err != nil || again != l {
			t.Errorf("%q reads %q, which reads %q (%v)", text, l, again, err)
		}
	})
}
