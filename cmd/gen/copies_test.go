package main

import "testing"

func TestParseBlockSize(t *testing.T) {
	for s, want := range map[string]int64{
		"512": 512, "134217728": 128 << 20, "128m": 128 << 20, "128M": 128 << 20, "1g": 1 << 30, "64k": 64 << 10,
		// Not a multiple of 512, no number, too large, no size: 0 stands for refused.
		"1000": 0, "": 0, "m": 0, "128mb": 0, "-512": 0, "0": 0, "9007199254740992g": 0, "1.5m": 0,
	} {
		got, err := parseBlockSize(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("parseBlockSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
}
