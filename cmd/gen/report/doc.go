// Package report measures ratings and draws what it finds as one HTML page.
//
// Start with New and Measure.Add, which take the events in any order and from
// many goroutines; Measure.Figures computes what the page shows, Judge compares it
// with the goals of a profile, and Page.Write draws it.
//
// # Figures
//
// Every figure depends on the events alone, not on their order. Standard
// deviations are those of a sample (n-1); quantiles interpolate linearly between
// the neighbouring ranks. The Gini coefficient of n sorted values x_1 <= ... <= x_n
// is 2 * sum(i * x_i) / (n * sum(x_i)) - (n+1)/n; the share of the top 1% is that
// of the round(n/100) largest, at least one. JSD is the Jensen-Shannon divergence
// with the binary logarithm, TV the total variation, half the sum of the absolute
// differences.
//
// # Bias model
//
// r ~ mu + b_u + b_i, shrunk as in Koren, "Factor in the Neighbors", ACM TKDD 4(1),
// 2010, section 2.1, with his constants:
//
//	mu  = the mean rating
//	b_i = sum over the movie's ratings (r - mu) / (25 + their number)
//	b_u = sum over the user's ratings (r - mu - b_i) / (10 + their number)
//
// A tenth of the (user, movie) pairs, chosen by a hash, is left out of these sums;
// R2 = 1 - sum (r - prediction)^2 / sum (r - mean)^2 is taken over that tenth. That
// of the other nine tenths, the fit, is always higher.
//
// # Memory
//
// A Measure keeps 8 bytes an event, and 12 while it computes: 20 million events
// take 240 MB.
package report
