// Package core is the sequence: event n as a pure function of a snapshot, a
// seed and a schedule. Start with Compile, which makes a Snapshot from a
// Catalogue, and Sequence.Fill, which computes events. The package does no
// input or output, has no clock and starts no goroutine.
//
// # Sequence, format version 1
//
// This section says all that is needed to compute event n in another
// language, given the tables of a snapshot (gen export writes them as users,
// movies and model, with the profile movielens as lists and model). All numbers
// are unsigned integers; hi(x, m) is the upper half of the 128-bit product of two
// 64-bit words: a number in [0, m). The profiles seed and document are GenreTables:
//
//   - G genres, numbered 0 to G-1 in ascending order of the bytes of their
//     names.
//   - U users with the indices 0 to U-1; the user of index u has userId u+1.
//     Each has K weights, a genre and units, heaviest first; the units of a
//     user sum to 1024.
//   - Movies in ascending order of movieId, each with a set of genres. The
//     movies of genre g, in this order, are M(g, 0), M(g, 1), ..., M(g, C(g)-1).
//   - Below[a][j] for affinities a from 0 to 1024 and j from 0 to 8, ascending
//     in j: 2^31 times the probability of a rating of at most (j+1)/2 stars.
//
// Event n, for n from 0 to 2^53:
//
//  1. (w0, w1, w2, w3) = Philox4x64-10 of the key (seed, 1) and the counter
//     (n, 0, 0, 0), whose first word is the low one.
//  2. u = hi(w0, U); userId = u+1.
//  3. x = w1 >> 54, in [0, 1024). The genre g is that of the first of the
//     user's weights, in order, at which the running sum of units is above x.
//  4. movie = M(g, hi(w2, C(g))).
//  5. a = the sum of the units of those of the user's K genres that the movie
//     has.
//  6. y = w3 >> 33, in [0, 2^31). The rating in half stars is 1 + the number
//     of j with Below[a][j] <= y.
//  7. The time in epoch milliseconds is that of the schedule. Its last segment
//     with From <= n gives Start + at(n - From); for a rate of Num/Den events
//     per second in lowest terms, at(k) = floor(k * 1000 * Den / Num).
//
// # The profile movielens
//
// Its tables are ListTables: for each of U users a list of movies and rows, in
// ascending order of movieId; the lists one after the other, in order of user, are
// the T entries of an epoch; Below[row][j] as above, for rows from 0 to 1023.
// Event n, for n from 0 to 2^53:
//
//  1. e = floor(n / T), the epoch; x = n - e*T.
//  2. a = the least whole number with a*a >= T; b = ceil(T / a). The keys k0 to k3
//     are Philox4x64-10 of the key (seed, 8) and the counter (e, 0, 0, 0), k4 to k7
//     of that key and (e, 1, 0, 0).
//  3. l = x mod a; r = floor(x / a). For i = 0, 2, 4, 6: l = (l + hi(mix(r xor ki),
//     a)) mod a, then r = (r + hi(mix(l xor k(i+1)), b)) mod b. x = l + a*r. When x
//     is not below T, this step is taken once more.
//     mix(z): z ^= z >> 33; z *= ff51afd7ed558ccd (hexadecimal); z ^= z >> 33; z *=
//     c4ceb9fe1a85ec53; z ^= z >> 33; all modulo 2^64.
//  4. Entry x is a movie and a row of the list of the user of index u; userId =
//     (e mod floor((2^31 - 1) / U)) * U + u + 1: each epoch has a cohort of its own.
//  5. The rating is that of step 6 above with Below[row] for Below[a], and w3 of
//     the block of the key (seed, 1) and the counter (n, 0, 0, 0).
//  6. The time is that of step 7.
//
// A row is 512 for a user who gives half stars, and a level, 0 to 511:
// floor(score * 64 / 2^20) + 256, at least 0 and at most 511, where score =
// c0 + c1*bias + c2*quality + c3*affinity + floor(c4*taste / 2^21); taste is the
// sum over four dimensions of the user's times the movie's factor, at least
// -3*2^21 and at most 3*2^21; bias, quality, factors and c0 to c4 are signed and
// part of the snapshot.
//
// With sessions step 3 is another one; P(s; i, j, k) of y stands for step 3 of y
// with s for T and the keys of the key (seed, 9) and the counters (i, 0, j, k) and
// (i, 1, j, k); S(0) to S(7) are the seats of the snapshot:
//
//	c = x mod 8; q = floor(x / 8); L = the number of those below T that are c modulo 8
//	s = min(S(c), L); row = floor(q / s); R = ceil(L / s); z = L - (R - 1)*s
//	seat = P(z if row is R - 1, else s; e, c, row) of (q mod s)
//	y = the number of those below T that are less than c modulo 8
//	    + seat*(R - 1) + min(seat, z) + row + hi(w, T), modulo T, where w is the
//	    first word of the key (seed, 8) and the counter (e, 2, 0, 0)
//	x = F + P(m; e, u, 2^32) of (y - F), where entry y is in the list of the user of
//	    index u, whose m entries begin at F
//
// # Rows and keys
//
// The row of an event is {"userId":u,"movieId":m,"rating":r,"timestamp":t}
// with the rating in stars and one decimal, and its key in Kafka the decimal
// userId, which also decides the partition: see Partition.
//
// # Stages and random arrivals
//
// Stages are stretches of D ms in which the rate goes linearly from one value to
// another, once or over and over. L is the least common denominator of all their
// rates; a0 and a1 are L times a stage's first and last rate; the stage holds
// (a0 + a1) * D units of area. A place on the area, counted from the first
// stage, in units, lies in round r and stage i, at the area A from the stage's
// beginning, such that 0 <= A < (a0 + a1) * D. Its time is that of the stage's
// beginning plus the largest whole x with 2*a0*x*D + (a1-a0)*x*x <= A*D. Even
// arrival k lies at the place 2000*L*k.
//
// Random arrivals have a seed and the rate of stages; a rate alone is one stage
// of 1000 ms, repeated. Arrival k = 1024*b + j, j < 1024, lies at the place
// 2000*L*1024*b + floor(2000*L*1024 * u / 2^32), where u is the j-th, from 0 on,
// in ascending order of the 1024 32-bit halves of the words of Philox4x64-10
// for the key (seed, 4) and the counters (b, i, 0, 0), i = 0 to 127.
//
// # Compiling the profile seed
//
// For user index u and genre number g a Gamma(alpha, 1) variate is drawn from
// Philox blocks of the key (population seed, 2) and the counters (u, g,
// attempt, 0): see lnGamma. The K genres with the largest variates are kept
// (ties: the lower number); their variates, divided by their sum, are scaled to
// 1024 units, rounded down, and the largest remainders are rounded up (ties:
// the heavier weight). Below[a][j] is 2^31 * Phi((0.75 + j/2 - 1 - 4a/1024) /
// noise), rounded to the nearest, where Phi is the standard normal
// distribution: the rating 1 + 4*affinity + N(0, noise), clamped to [0.5, 5]
// and rounded to the nearest half. Given the affinity each threshold is exact
// to 2^-31; quantising the weights moves the mean rating by less than 1e-3.
//
// # Compiling the profile document
//
// The weights are those of seed with K = 3 and an alpha for each genre, such that
// the genres that the document names are preferred as often as it says. Below[a][j]
// is 2^31 * Phi((cut(j) - 2.7 - a/2048) / 1.1), where cut(j) is such that, over the
// events, the shares of the ratings are those that the document prints.
//
// # Compiling the profile movielens
//
// The weights are those of seed over all genres, with alphas in proportion to the
// genres' shares of the ratings. A movie's popularity is the mean, over its genres,
// of the logarithm of how much more often than others they are rated in
// MovieLens-20M, plus a standard normal variate; its weight goes by the rank of the
// popularity (Fit.Popularity). How many movies a user rates goes by a normal variate
// (Fit.Activity), at most 34% of the catalogue; which, by repeated draws of movies
// not drawn yet: see movielens_lists.go. The score of a rating is the sum of
//
//	user bias       variance .14  correlated -.16 with activity
//	movie quality   variance .13  correlated  .30 with popularity
//	affinity        variance .04  of the user's weights and the movie's genres
//	taste           variance .24  of the user's and the movie's factors
//	chance          variance .45
//
// and is cut, for those who give half stars and for those who do not, where the
// shares of the ratings over an epoch are those of the Fit: by default
// MovieLens-20M's.
//
// # Floating point
//
// All floating point that a snapshot depends on stands here; what else the
// package computes with it, such as Shares and Explain, is for people to read.
// It uses addition, multiplication, division, square root and floor only, and
// no product is fused with a sum, so that every processor compiles the same
// snapshot.
//
// # Lanes
//
// The second word of a Philox key is the lane: one for each purpose, so that a
// new purpose changes no number drawn for another.
//
// # Identity
//
// A snapshot is identified by the SHA-256 of its canonical bytes, which hold
// the format version, the profile's name and the tables: what events depend
// on. Titles do not count, nor do genres that are not selected, so that the
// same movies from CSV, Parquet or elsewhere give the same snapshot.
//
// # Format versions
//
// A change that alters the row of any event is a new format version with
// goldens of its own in testdata; the goldens of a version never change.
//
// # Caveats
//
// Random arrivals are a Poisson process given that each stretch of 1,024 events
// holds so many: counts over longer stretches vary less than those of a free one.
// With the profiles seed and document two events of one user may fall on one
// movie (2% of a million events do), as in the platform's formulas. With movielens
// every cohort rates the movies that the first one did, in another order and with
// other ratings of the same means.
//
// # Why
//
// Philox and not a sequential generator: event n is computed without the
// events before it, by any worker. One block of 256 bits serves an event, at
// 15 to 25 ns. 1,024 units and not more: the table of thresholds, 64 kB, stays
// in a core's second-level cache, and a weight is off by at most 0.0005.
package core
