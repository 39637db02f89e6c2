package report

// What MovieLens-20M looks like, in aggregates: the data themselves may not be
// redistributed. F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History
// and Context", ACM TiiS 5(4), 2015; counted from its ratings.csv and movies.csv
// where nothing else is said.
const (
	realCount        = 20_000_263
	realUsers        = 138_493
	realCatalogue    = 27_278
	realMovies       = 26_744
	realMean         = 3.5255
	realSD           = 1.0520
	realSkew         = -0.6553
	realHalfStars    = 0.257
	realUserGini     = 0.582 // from the published distribution
	realUserMean     = 144.41
	realUserMedian   = 68
	realUserSD       = 230.27
	realUserMin      = 20
	realUserMax      = 9254
	realUserTop1     = 0.115 // from the published distribution, as the next
	realUserTop10    = 0.458
	realMovieMean    = 747.84
	realMovieMedian  = 18
	realMovieSD      = 3085.82
	realMovieMax     = 67_310
	realMovieGini    = 0.903
	realMovieTop1    = 0.330 // from the published distribution, as the next
	realMovieTop10   = 0.860
	realNoHalfStars  = 0.395 // of ml-latest-small, 610 users, as the next two
	realUserMeanSD   = 0.48
	realMovieMeanSD  = 0.38
	realBiasR2       = 0.325 // 0.32 to 0.33
	realAffinityCorr = 0.175 // 0.15 to 0.2, of fitted models
)

// realRatings are the counts of the ratings 0.5, 1.0, ..., 5.0.
var realRatings = [10]uint64{239125, 680732, 279252, 1430997, 883398, 4291193, 2200156, 5561926, 1534824, 2898660}

// realGenres are the shares of the ratings whose movie has the genre, of 1: a
// movie with two genres counts for both.
var realGenres = map[string]float64{
	"Drama": .443, "Comedy": .375, "Action": .281, "Thriller": .266, "Adventure": .219, "Romance": .190, "Crime": .165,
	"Sci-Fi": .158, "Fantasy": .106, "Children": .083, "Mystery": .078, "Horror": .074, "Animation": .057, "War": .052,
	"Musical": .044, "IMAX": .025, "Western": .021, "Documentary": .012, "Film-Noir": .011, "(no genres listed)": 361. / realCount,
}

// realHours are the shares of the ratings by hour of the day (UTC), of 1.
var realHours = [24]float64{
	.047, .045, .045, .044, .038, .035, .032, .029, .028, .026, .026, .027,
	.031, .035, .039, .044, .048, .050, .054, .057, .058, .058, .054, .050,
}

// realActivity is the share of the users with at least so many ratings.
var realActivity = []Point{
	{20, 1}, {36, .75}, {68, .5}, {155, .25}, {335, .1}, {520, .05}, {1115, .01}, {9254, 1. / realUsers},
}

// realPopularity is the share of all ratings that the movie of each rank has: the
// curve fitted to the data, ln(share of the first) plus the value at each rank.
var realPopularity = fittedPopularity([]Point{
	{1, 0}, {3, -.295}, {10, -.643}, {30, -1.031}, {100, -1.85}, {300, -2.61}, {1000, -3.837}, {2000, -4.83}, {3500, -5.797},
	{5500, -6.78}, {8000, -7.743}, {11000, -8.81}, {15000, -10.147}, {20000, -11.417}, {27278, -12.839},
})

// realItems are the shares that movies have of the first so many ratings.
var realItems = []itemShares{
	{100_000, .720, .162, .603}, {400_000, .799, .210, .699}, {1_000_000, .834, .241, .748}, {5_000_000, .878, .294, .816}, {20_000_000, .903, .337, .860},
}

// itemShares are what the ratings of rated movies look like among so many events.
type itemShares struct{ events, gini, top1, top10 float64 }

// documentRatings and documentGenres are the two tables that the platform's
// document prints: shares of the ratings 0.5 to 5.0, and of the users with the
// genre among their three preferred ones, in documentOrder.
var (
	documentOrder   = []string{"Drama", "Comedy", "Action", "Thriller", "Romance"}
	documentRatings = [10]float64{.02, .05, .08, .12, .15, .18, .16, .13, .08, .03}
	documentGenres  = map[string]float64{"Drama": .3245, "Comedy": .2876, "Action": .2134, "Thriller": .1567, "Romance": .1178}
)
