package encode

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"gen/core"
)

// sample returns events like a stream's: 10,000 users, 27,278 movies, 50 a
// second with random gaps unless even.
func sample(n int, even bool) []core.Event {
	rnd := rand.New(rand.NewPCG(1, 2))
	users, movies := rnd.Perm(138493)[:10000], rnd.Perm(131262)[:27278]
	events := make([]core.Event, n)
	at := int64(1735689600000)
	for i := range events {
		events[i] = core.Event{
			Time:   at,
			User:   uint32(users[rnd.IntN(len(users))] + 1),
			Movie:  uint32(movies[rnd.IntN(len(movies))] + 1),
			Rating: uint8(min(10, max(1, 5+rnd.NormFloat64()*2))),
		}
		at += 20
		if !even {
			at += int64(rnd.ExpFloat64()*20) - 20
		}
	}
	return events
}

func report(b *testing.B, events, size int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
	b.ReportMetric(float64(size)/float64(events), "B/row")
}

func BenchmarkAppend(b *testing.B) {
	for _, k := range []struct {
		name   string
		append func([]byte, []core.Event) []byte
	}{{"jsonl", AppendJSONL}, {"csv", AppendCSV}} {
		b.Run(k.name, func(b *testing.B) {
			events := sample(8192, false)
			buf := make([]byte, 0, len(events)*MaxRow)
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = len(k.append(buf, events))
			}
			report(b, len(events), size)
		})
	}
}

func BenchmarkChunk(b *testing.B) {
	for _, f := range allFormats() {
		if f.Text() {
			b.Run(f.Name+"/"+f.Compress, func(b *testing.B) {
				events := sample(8192, false)
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					buf, _ = f.AppendChunk(buf[:0], events)
				}
				report(b, len(events), len(buf))
			})
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, even := range []bool{true, false} {
		events := sample(1<<20, even)
		for _, f := range allFormats() {
			if even && f.Text() {
				continue
			}
			b.Run(f.Name+"/"+f.Compress+map[bool]string{true: "/even"}[even], func(b *testing.B) {
				b.ReportAllocs()
				var size int
				for b.Loop() {
					size = len(writeAll(b, f, events, 8192))
				}
				report(b, len(events), size)
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	events := sample(1<<20, false)
	for _, f := range allFormats() {
		b.Run(f.Name+"/"+f.Compress, func(b *testing.B) {
			data := writeAll(b, f, events, 8192)
			dst := make([]core.Event, 8192)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				r, err := f.NewReader(bytes.NewReader(data), int64(len(data)))
				if err != nil {
					b.Fatal(err)
				}
				for !errors.Is(err, io.EOF) {
					if _, err = r.Read(dst); err != nil && !errors.Is(err, io.EOF) {
						b.Fatal(err)
					}
				}
				r.Close()
			}
			report(b, len(events), len(data))
		})
	}
}
