package catalogue

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"gen/core"
)

// ReadRatings reads MovieLens ratings.csv, a CSV file with the columns userId,
// movieId and rating, and calls add for each row with the rating in half stars.
// It keeps none of them.
func ReadRatings(fsys fs.FS, name string, add func(user, movie uint32, halves uint8)) error {
	return withFile(fsys, name, func(f input) error {
		return eachRecord(f, []string{"userId", "movieId", "rating"}, func(_ int, fields []string) error {
			user, movie, err := pair(fields)
			if err != nil {
				return err
			}
			halves, err := halfStars(fields[2])
			if err != nil {
				return err
			}
			add(user, movie, halves)
			return nil
		})
	})
}

// ReadPairs reads the columns userId and movieId of a CSV file.
func ReadPairs(fsys fs.FS, name string) (users, movies []int32, err error) {
	err = withFile(fsys, name, func(f input) error {
		return eachRecord(f, []string{"userId", "movieId"}, func(_ int, fields []string) error {
			user, movie, err := pair(fields)
			users, movies = append(users, int32(user)), append(movies, int32(movie))
			return err
		})
	})
	return users, movies, err
}

func pair(fields []string) (user, movie uint32, err error) {
	id, err := strconv.ParseUint(strings.TrimSpace(fields[0]), 10, 31)
	if err != nil {
		return 0, 0, fmt.Errorf("userId %q is not a whole number up to %d", fields[0], core.MaxID)
	}
	movie, err = movieID(fields[1])
	return uint32(id), movie, err
}

func halfStars(s string) (uint8, error) {
	stars, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	halves := stars * 2
	if err != nil || !(halves >= 1 && halves <= 10) || halves != float64(uint8(halves)) {
		return 0, fmt.Errorf("rating %q is not 0.5, 1.0, ..., 5.0", s)
	}
	return uint8(halves), nil
}
