package core

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// hourShares are the shares of the ratings of MovieLens-20M by hour of the day
// (UTC), in thousandths.
var hourShares = [24]int64{47, 45, 45, 44, 38, 35, 32, 29, 28, 26, 26, 27, 31, 35, 39, 44, 48, 50, 54, 57, 58, 58, 54, 50}

// loads are the load scenarios with a name.
var loads = map[string]func(mean *Rate, start int64) (Shape, error){
	"normal": constantLoad(50),
	"peak":   constantLoad(200),
	"valley": constantLoad(10),
	"day":    dayLoad,
}

// Loads returns the names of the load scenarios.
func Loads() []string { return slices.Sorted(maps.Keys(loads)) }

// Load returns the shape of a load scenario from start (epoch ms) on. mean is
// the mean rate of one that varies, 50 when nil; a constant one has its own and
// takes none. It returns ErrStages.
func Load(name string, mean *Rate, start int64) (Shape, error) {
	load, ok := loads[name]
	if !ok {
		return nil, fmt.Errorf("%w: no load %q; there are %s", ErrStages, name, strings.Join(Loads(), ", "))
	}
	return load(mean, start)
}

func constantLoad(rate uint64) func(*Rate, int64) (Shape, error) {
	return func(mean *Rate, _ int64) (Shape, error) {
		if mean != nil {
			return nil, fmt.Errorf("%w: it is a constant load of %d events a second and takes no other rate", ErrStages, rate)
		}
		return Rate{rate, 1}, nil
	}
}

// dayLoad is a day of 24 hours with the shares of hourShares, over and over
// again. The day begins at midnight UTC, wherever in it start is.
func dayLoad(mean *Rate, start int64) (Shape, error) {
	const hour = 3_600_000
	if mean == nil {
		mean = &Rate{50, 1}
	}
	into := start % (24 * hour)
	var list []Stage
	for i := range int64(25) {
		h := into/hour + i
		length := int64(hour)
		switch i {
		case 0:
			length = hour - into%hour
		case 24:
			length = into % hour
		}
		if length == 0 {
			continue
		}
		// share/1000 of a day's events in an hour: mean * 24 * share/1000.
		r := new(big.Rat).SetFrac(new(big.Int).SetUint64(mean.Num), new(big.Int).SetUint64(mean.Den))
		r.Mul(r, big.NewRat(24*hourShares[h%24], 1000))
		if r.Num().Cmp(big.NewInt(maxRateTerm)) > 0 || r.Denom().Cmp(big.NewInt(maxRateTerm)) > 0 {
			return nil, fmt.Errorf("%w: a day's mean of %s/s is out of range", ErrStages, *mean)
		}
		rate := Rate{r.Num().Uint64(), r.Denom().Uint64()}
		list = append(list, Stage{length, rate, rate})
	}
	return NewStages(list, true)
}
