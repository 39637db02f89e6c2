package store

import (
	"errors"
	"fmt"
	"testing"

	"gen/core"
)

// BenchmarkSnapshot is the size of the default snapshot: 10,000 users and
// 27,278 movies.
func BenchmarkSnapshot(b *testing.B) {
	movies := make([]core.Movie, 27_278)
	for i := range movies {
		movies[i] = core.Movie{
			ID: uint32(i*4 + 1), Title: fmt.Sprintf("A title of usual length %d (1995)", i),
			Genres: []string{fmt.Sprint("genre ", i%20), fmt.Sprint("genre ", i%7)},
		}
	}
	cat, err := core.NewCatalogue("test", movies)
	if err != nil {
		b.Fatal(err)
	}
	snap, err := core.Compile("seed", cat, core.DefaultParams())
	if err != nil {
		b.Fatal(err)
	}
	s := Open(b.TempDir())
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			if err := s.SaveSnapshot(snap); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.LoadSnapshot(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := core.Decode(snap.Recipe, snap.Titles(), snap.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRun(b *testing.B) {
	s := Open(b.TempDir())
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			r, err := s.OpenRun(testTarget, testName, "")
			if err := errors.Join(err, r.Close(), s.ResetRun(testTarget, testName, "")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if err := mustOpenRun(b, s).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("save", func(b *testing.B) {
		r := mustOpenRun(b, s)
		defer r.Close()
		for n := uint64(0); b.Loop(); n++ {
			if err := r.Save(testRun(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Runs(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
