package main

import "testing"

func TestRateText(t *testing.T) {
	for rate, want := range map[float64]string{
		0.5: "0.5 events/s", 73.51: "73.5 events/s", 999: "999 events/s", 1000: "1000 events/s", 7463.2: "7463 events/s",
		12345: "12.3 k events/s", 2.04e6: "2.04 M events/s",
	} {
		if got := rateText(rate); got != want {
			t.Errorf("rateText(%v) = %q, want %q", rate, got, want)
		}
	}
}
