"""The recommenders of recommend.py: biases, Spark's ALS, neighbours of items.

Users and movies are indices from 0 on; Ratings holds three columns of one length.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from pyspark.ml.recommendation import ALS

LOWEST, HIGHEST = 0.5, 5.0  # stars


class Ratings(NamedTuple):
    users: np.ndarray
    movies: np.ndarray
    stars: np.ndarray

    def of(self, chosen):
        """Returns those that a mask or an index chooses."""
        return Ratings(*(column[chosen] for column in self))


class Size(NamedTuple):
    users: int
    movies: int


class Bias:
    """mean + the user's bias + the movie's: least squares, each bias drawn to 0 as
    if by so many ratings of the mean (Koren, Factorization Meets the Neighborhood,
    KDD 2008, section 2.1, has the sum as baseline)."""

    ROUNDS = 20  # by turns; the predictions move by less than 1e-4 stars after ten

    def __init__(self, train, size, user_shrink, movie_shrink):
        self.mean = train.stars.mean()
        self.users, self.movies = np.zeros(size.users), np.zeros(size.movies)
        user_weight = np.bincount(train.users, minlength=size.users) + user_shrink
        movie_weight = np.bincount(train.movies, minlength=size.movies) + movie_shrink
        for _ in range(self.ROUNDS):
            left = train.stars - self.mean - self.users[train.users]
            self.movies = np.bincount(train.movies, left, size.movies) / movie_weight
            left = train.stars - self.mean - self.movies[train.movies]
            self.users = np.bincount(train.users, left, size.users) / user_weight

    def predict(self, pairs):
        """Returns the stars that are expected, not yet cut to the scale."""
        return self.mean + self.users[pairs.users] + self.movies[pairs.movies]


def fit_als(spark, train, size, rank, reg, iterations, seed=42):
    """Fits pyspark.ml.recommendation.ALS, explicit. The regularisation counts once for
    each rating of a user or a movie (Zhou and others, AAIM 2008), as Spark has it.
    Returns the factors of users and movies; NaN for those that train does not have."""
    frame = spark.createDataFrame(pd.DataFrame({
        "user": train.users.astype(np.int32), "item": train.movies.astype(np.int32), "rating": train.stars.astype(np.float32),
    }))
    model = ALS(rank=rank, regParam=reg, maxIter=iterations, seed=seed).fit(frame)
    return _factors(model.userFactors, size.users, rank), _factors(model.itemFactors, size.movies, rank)


def _factors(frame, count, rank):
    rows = frame.toPandas()
    factors = np.full((count, rank), np.nan)
    factors[rows.id.to_numpy()] = np.stack(rows.features)
    return factors


def predict_als(factors, pairs, otherwise):
    """Returns the products of the factors, and otherwise where there are none."""
    users, movies = factors
    found = np.einsum("ij,ij->i", users[pairs.users], movies[pairs.movies])
    return np.where(np.isnan(found), otherwise, found)


def clipped(stars):
    return np.clip(stars, LOWEST, HIGHEST)


def popularity(train, size, users):
    """Scores each movie, for each of users, by its number of ratings."""
    counts = np.bincount(train.movies, minlength=size.movies).astype(np.float32)
    return np.broadcast_to(counts, (len(users), size.movies))


def item_knn(train, size, users, neighbours, shrink, chunk=2000):
    """Scores each movie, for each of users, by the sum of its similarities to those
    that the user has rated: the cosine of who has rated two movies, its denominator
    larger by shrink, and only a movie's nearest neighbours count (Deshpande and
    Karypis, ACM TOIS 22(1), 2004; with shrink: Ferrari Dacrema and others, RecSys
    2019). Rows: users; columns: movies."""
    pairs = np.unique(train.users.astype(np.int64) * size.movies + train.movies)
    owner, movie = pairs // size.movies, pairs % size.movies
    lists = np.split(movie, np.searchsorted(owner, np.arange(1, size.users)))
    norms = np.sqrt(np.bincount(movie, minlength=size.movies)).astype(np.float32)
    rated = np.zeros((size.movies, len(users)), np.float32)
    for column, user in enumerate(users):
        rated[lists[user], column] = 1
    scores = np.empty((size.movies, len(users)), np.float32)
    for first in range(0, size.movies, chunk):
        last = min(first + chunk, size.movies)
        near = _cosines(lists, norms, first, last, shrink)
        best = np.argpartition(-near, neighbours, axis=1)[:, :neighbours]
        weights = np.take_along_axis(near, best, axis=1)
        scores[first:last] = sum(weights[:, k, None] * rated[best[:, k]] for k in range(neighbours))
    return scores.T


def _cosines(lists, norms, first, last, shrink):
    """Returns the similarities of the movies from first to before last to all."""
    together = np.zeros((last - first, len(norms)), np.float32)
    for movies in lists:
        low, high = np.searchsorted(movies, (first, last))
        if high > low:
            together[np.ix_(movies[low:high] - first, movies)] += 1
    together[np.arange(last - first), np.arange(first, last)] = 0  # nobody is their own neighbour
    together /= norms[first:last, None] * norms + np.float32(shrink) + np.float32(1e-9)
    return together


def precision(scores, train, relevant, users, top=10):
    """Returns the share of relevant pairs among the top movies of each of users that
    train does not have for them; ties go to the lower index."""
    scores = np.array(scores, np.float32)
    row_of = np.full(max(train.users.max(), users.max()) + 1, -1)
    row_of[users] = np.arange(len(users))
    mine = row_of[train.users] >= 0
    scores[row_of[train.users[mine]], train.movies[mine]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    wanted = np.zeros(scores.shape, bool)
    mine = row_of[relevant.users] >= 0
    wanted[row_of[relevant.users[mine]], relevant.movies[mine]] = True
    return np.take_along_axis(wanted, best, axis=1).mean()


def random_precision(train, relevant, size, users):
    """Returns what precision expects of a random order of the candidates."""
    def each(ratings):
        pairs = np.unique(ratings.users.astype(np.int64) * size.movies + ratings.movies)
        return np.bincount(pairs // size.movies, minlength=size.users)[users]
    return (each(relevant) / (size.movies - each(train))).mean()
