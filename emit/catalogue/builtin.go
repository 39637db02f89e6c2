package catalogue

import (
	"math/bits"
	"slices"

	"gen/core"
)

const (
	builtinMovies = 27278
	builtinSeed   = 20 // MovieLens-20M

	// builtinExchanges is how many exchanges of genres are tried: with half
	// as many a pair is 131 movies off, with as many none by more than two.
	builtinExchanges = 1 << 19
)

// builtinSizes holds how many movies have 10, 9, ... 1 genres. The movies of
// builtinGenres[0], which have no other, are not among them.
var builtinSizes = [...]int{1, 0, 5, 20, 83, 477, 1724, 5330, 8809, 10829 - 246}

// builtinGenres describes the genres in the order of their names. Movies and
// the pairs Drama-Romance, Drama-Comedy, Comedy-Romance, Drama-Thriller,
// Crime-Drama, Animation-Children, Children-Fantasy and Crime-Film-Noir are
// those of MovieLens-20M; the other pairs are plausible, and make the sum that
// builtinSizes asks for.
var builtinGenres = [...]struct {
	name   string
	movies int
	// Where the genre's movies lie, in thousandths of all movies from the
	// oldest to the newest. A movie lies where all its genres do.
	from, to uint64
	pairs    []int32 // movies wanted that also have builtinGenres[1], [2], ...
}{
	{"(no genres listed)", 246, 600, 1000, nil},
	{"Action", 3520, 0, 1000, nil},
	{"Adventure", 2329, 0, 1000, []int32{943}},
	{"Animation", 1027, 60, 1000, []int32{157, 346}},
	{"Children", 1139, 60, 1000, []int32{84, 440, 472}},
	{"Comedy", 8374, 0, 1000, []int32{649, 545, 440, 586}},
	{"Crime", 2939, 0, 1000, []int32{838, 84, 16, 16, 628}},
	{"Documentary", 2471, 250, 1000, []int32{16, 31, 6, 10, 199, 52}},
	{"Drama", 13344, 0, 1000, []int32{1214, 764, 189, 241, 2546, 1712, 199}},
	{"Fantasy", 1412, 0, 1000, []int32{335, 492, 262, 312, 503, 26, 4, 450}},
	{"Film-Noir", 330, 70, 150, []int32{10, 2, 1, 0, 8, 181, 0, 209, 2}},
	{"Horror", 2611, 50, 1000, []int32{262, 52, 10, 10, 429, 157, 10, 440, 168, 5}},
	{"IMAX", 196, 650, 1000, []int32{84, 84, 42, 37, 52, 10, 26, 52, 37, 0, 4}},
	{"Musical", 1036, 30, 850, []int32{16, 73, 136, 189, 450, 31, 63, 450, 94, 4, 21, 5}},
	{"Mystery", 1514, 0, 1000, []int32{136, 73, 16, 21, 189, 419, 8, 681, 73, 94, 293, 10, 8}},
	{"Romance", 4127, 0, 1000, []int32{230, 230, 63, 94, 1895, 220, 16, 2573, 251, 63, 63, 10, 335, 136}},
	{"Sci-Fi", 1743, 120, 1000, []int32{702, 482, 136, 105, 346, 52, 10, 450, 199, 3, 440, 52, 16, 115, 84}},
	{"Thriller", 4178, 0, 1000, []int32{1183, 314, 26, 13, 346, 1246, 16, 1868, 136, 94, 1058, 42, 10, 775, 346, 492}},
	{"War", 1194, 0, 1000, []int32{304, 126, 10, 8, 147, 10, 52, 911, 10, 5, 5, 4, 16, 13, 209, 16, 84}},
	{"Western", 676, 40, 650, []int32{168, 94, 5, 13, 94, 26, 5, 199, 4, 3, 10, 1, 21, 8, 63, 5, 21, 13}},
}

// builtinYears holds how many movies are of 1891, 1892, ... 2015.
var builtinYears = [...]int{
	1, 2, 2, 2, 3, 3, 3, 3, 3, 3, // to 1900
	3, 3, 3, 3, 3, 3, 3, 4, 4, 4, // to 1910
	6, 7, 8, 10, 12, 13, 15, 15, 18, 23, // to 1920
	26, 29, 32, 38, 44, 47, 52, 58, 60, 70, // to 1930
	82, 88, 91, 99, 99, 104, 111, 112, 106, 112, // to 1940
	108, 108, 115, 110, 113, 118, 119, 124, 128, 129, // to 1950
	132, 138, 140, 145, 153, 153, 154, 163, 164, 168, // to 1960
	165, 164, 160, 175, 179, 181, 176, 183, 192, 188, // to 1970
	207, 206, 206, 197, 190, 203, 194, 213, 203, 228, // to 1980
	230, 237, 241, 255, 278, 281, 294, 272, 290, 289, // to 1990
	294, 334, 346, 401, 469, 511, 540, 539, 573, 606, // to 2000
	653, 625, 653, 664, 734, 821, 892, 948, 1098, 952, // to 2010
	1001, 970, 1000, 732, 118, // to 2015
}

const (
	builtinFirstYear = 1891
	builtinOpened    = 1995 // the catalogue's own first year
	builtinClosed    = 2016
)

// builtinIDs says how many movieIds lie above the row before and up to last:
// dense where the catalogue began, sparse where others were numbered too.
var builtinIDs = [...]struct{ last, movies uint64 }{
	{1, 1}, {9100, 8999}, {25000, 60}, {36000, 1450}, {60000, 3400},
	{80000, 3700}, {100000, 3600}, {120000, 4300}, {131261, 1767}, {131262, 1},
}

// Builtin returns the built-in catalogue, of kind "builtin": 27,278 invented
// movies whose counts are those of MovieLens-20M. Every call computes the same
// one, with integers only; it costs about 60 ms.
//
// The counts per movie, genre and year and the ids are exact by construction;
// how often two genres meet comes close to the wanted pairs (builtinGenreMix).
// Genres decide where among the years a movie lies, years when it can have
// entered the catalogue, and the movieIds follow that order.
func Builtin() (*core.Catalogue, error) {
	masks := builtinGenreMix()
	years := builtinDates(masks)
	order := builtinEntries(years)
	ids := builtinNumbers()
	titles := newBuiltinTitles()
	movies := make([]core.Movie, 0, builtinMovies)
	names := make([]string, 0, 2*builtinMovies) // one array for the genres of all
	for i, m := range order {
		first := len(names)
		for g := range builtinGenres {
			if masks[m]>>g&1 == 1 {
				names = append(names, builtinGenres[g].name)
			}
		}
		movies = append(movies, core.Movie{
			ID: ids[i], Title: titles.next(years[m]), Genres: names[first:len(names):len(names)],
		})
	}
	return core.NewCatalogue("builtin", movies)
}

// The stages draw from sequences of their own: the first word of the counter.
const (
	builtinStageDeal = iota
	builtinStageExchange
	builtinStageDate
	builtinStageEntry
	builtinStageID
	builtinStageTitle
)

// builtinSource yields the words of one stage, block by block.
type builtinSource struct {
	stage, block uint64
	words        [4]uint64
	used         int
}

func newBuiltinSource(stage uint64) *builtinSource {
	return &builtinSource{stage: stage, used: 4}
}

// below returns an integer in [0, n): the high half of a 128-bit product.
func (s *builtinSource) below(n uint64) uint64 {
	if s.used == len(s.words) {
		s.words = core.Philox(builtinSeed, core.LaneCatalogue, [4]uint64{s.stage, s.block, 0, 0})
		s.block++
		s.used = 0
	}
	hi, _ := bits.Mul64(s.words[s.used], n)
	s.used++
	return hi
}

// builtinMix is a state of the dealing: every slot holds a genre, and the
// slots of a movie different ones.
type builtinMix struct {
	genre []uint8  // of each slot
	movie []uint16 // of each slot
	mask  []uint32 // of each movie, bit g: builtinGenres[g]
	// excess[g][h] is the movies that have g and h, less those wanted.
	excess [len(builtinGenres)][len(builtinGenres)]int32
}

// builtinGenreMix returns the genres of each movie as a mask.
//
// A movie of k genres has k slots; a genre of m movies lies on m cards. The
// cards are dealt to the slots at random, and from then on only change
// places, so that both counts stay exact. Two cards drawn at random change
// places whenever this does not increase the sum over all pairs of genres of
// the squared excess: a descent, which ends within two movies of every
// wanted pair. (To choose genre after genre by weight was refused: it misses the
// counts, and their repair would be this very exchange.)
func builtinGenreMix() []uint32 {
	mix := builtinDeal()
	s := newBuiltinSource(builtinStageExchange)
	slots := uint64(len(mix.genre))
	for range builtinExchanges {
		both := s.below(slots * slots)
		mix.exchange(int(both/slots), int(both%slots))
	}
	for range builtinGenres[0].movies {
		mix.mask = append(mix.mask, 1)
	}
	return mix.mask
}

// builtinDeal deals the cards: a Fisher-Yates shuffle that draws again while
// the movie has the genre already. It ends: the movies with most genres are
// dealt to first, and the last 10,583 take any card.
func builtinDeal() *builtinMix {
	mix := &builtinMix{}
	for i, movies := range builtinSizes {
		for range movies {
			for range len(builtinSizes) - i {
				mix.movie = append(mix.movie, uint16(len(mix.mask)))
			}
			mix.mask = append(mix.mask, 0)
		}
	}
	for g := 1; g < len(builtinGenres); g++ {
		for range builtinGenres[g].movies {
			mix.genre = append(mix.genre, uint8(g))
		}
		for h, wanted := range builtinGenres[g].pairs {
			mix.excess[g][h+1], mix.excess[h+1][g] = -wanted, -wanted
		}
	}
	s := newBuiltinSource(builtinStageDeal)
	for i, m := range mix.movie {
		left := uint64(len(mix.genre) - i)
		j := i + int(s.below(left))
		for mix.mask[m]>>mix.genre[j]&1 == 1 {
			j = i + int(s.below(left))
		}
		mix.genre[i], mix.genre[j] = mix.genre[j], mix.genre[i]
		mix.count(mix.genre[i], mix.mask[m], 1)
		mix.mask[m] |= 1 << mix.genre[i]
	}
	return mix
}

// count adds n to the excess of g with each of the others.
func (mix *builtinMix) count(g uint8, others uint32, n int32) {
	for ; others != 0; others &= others - 1 {
		h := bits.TrailingZeros32(others)
		mix.excess[g][h] += n
		mix.excess[h][g] += n
	}
}

// exchange lets the cards of two slots change places, unless a movie would
// hold a genre twice or the squared excess would grow.
func (mix *builtinMix) exchange(i, j int) {
	a, b, g, h := mix.movie[i], mix.movie[j], mix.genre[i], mix.genre[j]
	maskA, maskB := mix.mask[a], mix.mask[b]
	if maskA>>h&1 == 1 || maskB>>g&1 == 1 {
		return // also when g == h or a == b
	}
	// Only genres that one of the two movies has see a change: those of a
	// meet h for g, those of b meet g for h.
	onlyA, onlyB := maskA&^maskB&^(1<<g), maskB&^maskA&^(1<<h)
	if mix.growth(g, h, onlyA)+mix.growth(h, g, onlyB) > 0 {
		return
	}
	mix.count(g, onlyA, -1)
	mix.count(h, onlyA, 1)
	mix.count(h, onlyB, -1)
	mix.count(g, onlyB, 1)
	mix.mask[a] ^= 1<<g | 1<<h
	mix.mask[b] ^= 1<<g | 1<<h
	mix.genre[i], mix.genre[j] = h, g
}

// growth returns half of what the sum of squares grows by when the others
// meet h once more and g once less. For each of them it is, with the excesses
// p of h and q of g, ((p+1)^2 - p^2 + (q-1)^2 - q^2) / 2 = p - q + 1.
func (mix *builtinMix) growth(g, h uint8, others uint32) int32 {
	sum := int32(0)
	for ; others != 0; others &= others - 1 {
		x := bits.TrailingZeros32(others)
		sum += mix.excess[h][x] - mix.excess[g][x] + 1
	}
	return sum
}

// builtinDates returns the year of each movie. Each gets a random place
// within the reach of its genres; the oldest year goes to the lowest place.
func builtinDates(masks []uint32) []uint64 {
	s := newBuiltinSource(builtinStageDate)
	places := make([]uint64, len(masks))
	for m, mask := range masks {
		from, to := uint64(0), uint64(1000)
		for g, genre := range builtinGenres {
			if mask>>g&1 == 1 {
				from, to = max(from, genre.from), min(to, genre.to)
			}
		}
		to = max(to, from+1) // Film-Noir and IMAX would leave no place
		places[m] = from<<20 + s.below((to-from)<<20)
	}
	years := make([]uint64, len(masks))
	rank, order := 0, builtinOrder(places)
	for i, movies := range builtinYears {
		for range movies {
			years[order[rank]] = builtinFirstYear + uint64(i)
			rank++
		}
	}
	return years
}

// builtinEntries returns the movies in the order in which they entered the
// catalogue: each at a random time from its year on.
func builtinEntries(years []uint64) []uint16 {
	s := newBuiltinSource(builtinStageEntry)
	times := make([]uint64, len(years))
	for m, year := range years {
		from := max(year, builtinOpened)
		times[m] = from<<20 + s.below((builtinClosed-from)<<20)
	}
	return builtinOrder(times)
}

// builtinOrder returns the indices of keys in ascending order of key, of equal
// keys the lower index first.
func builtinOrder(keys []uint64) []uint16 {
	indexed := make([]uint64, len(keys))
	for i, key := range keys {
		indexed[i] = key<<16 | uint64(i)
	}
	slices.Sort(indexed)
	order := make([]uint16, len(keys))
	for i, key := range indexed {
		order[i] = uint16(key)
	}
	return order
}

// builtinNumbers returns the movieIds in ascending order. An id is taken with
// the probability movies still wanted / ids still left, which takes exactly
// as many as wanted (Knuth, TAOCP 3.4.2, algorithm S).
func builtinNumbers() []uint32 {
	s := newBuiltinSource(builtinStageID)
	ids := make([]uint32, 0, builtinMovies)
	id := uint64(1)
	for _, row := range builtinIDs {
		for wanted := row.movies; id <= row.last; id++ {
			if s.below(row.last-id+1) < wanted {
				ids = append(ids, uint32(id))
				wanted--
			}
		}
	}
	return ids
}
