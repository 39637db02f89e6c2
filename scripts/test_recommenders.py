#!/usr/bin/env python3
"""Tests of recommenders.py and recommend.py against the same in plain loops, but
for Spark: test_recommend.sh has that.

    "$(scripts/venv.sh)" scripts/test_recommenders.py
"""

import math
import unittest

import numpy as np

import recommend
import recommenders
from recommenders import Bias, Ratings, Size

SIZE = Size(30, 40)


def some_ratings(count=400, seed=7):
    rng = np.random.default_rng(seed)
    return Ratings(rng.integers(0, SIZE.users, count), rng.integers(0, SIZE.movies, count), rng.integers(1, 11, count) / 2)


class Models(unittest.TestCase):
    def setUp(self):
        self.train = some_ratings()
        self.lists = [set() for _ in range(SIZE.users)]
        for user, movie in zip(self.train.users, self.train.movies):
            self.lists[user].add(int(movie))

    def test_biases_solve_their_equations(self):
        b = Bias(self.train, SIZE, 3, 2)
        left = self.train.stars - b.predict(self.train)
        for of, biases, shrink in ((self.train.users, b.users, 3), (self.train.movies, b.movies, 2)):
            np.testing.assert_allclose(np.bincount(of, left, len(biases)), shrink * biases, atol=5e-4)

    def test_biases_are_found(self):
        users, movies = np.divmod(np.arange(SIZE.users * SIZE.movies), SIZE.movies)
        stars = 3 + users / 100 - movies / 50
        all_pairs = Ratings(users, movies, stars)
        np.testing.assert_allclose(Bias(all_pairs, SIZE, 0, 0).predict(all_pairs), stars, atol=1e-9)

    def test_neighbours(self):
        who = [{u for u, movies in enumerate(self.lists) if m in movies} for m in range(SIZE.movies)]
        users = np.array([4, 0, 17])
        want = np.zeros((len(users), SIZE.movies))
        for m in range(SIZE.movies):
            near = sorted(((len(who[m] & who[k]) / (math.sqrt(len(who[m]) * len(who[k])) + 5 + 1e-9), k) for k in range(SIZE.movies) if k != m), reverse=True)
            for row, user in enumerate(users):
                want[row, m] = sum(cosine for cosine, k in near[:39] if k in self.lists[user])
        # All others are neighbours; in chunks that do not divide the catalogue.
        np.testing.assert_allclose(recommenders.item_knn(self.train, SIZE, users, 39, 5, chunk=7), want, rtol=1e-4, atol=1e-6)

    def test_only_the_nearest_count(self):
        # Movie 0 is rated by the users 0 to 3, movie 1 by three of them, movie 2 by one.
        train = Ratings(np.array([0, 1, 2, 3, 0, 1, 2, 3, 4]), np.array([0, 0, 0, 0, 1, 1, 1, 2, 1]), np.full(9, 3.0))
        scores = recommenders.item_knn(train, Size(5, 4), np.array([3, 4]), 1, 0)
        self.assertEqual(scores[0, 0], 0)  # user 3 has rated movie 2, which is not the nearest of movie 0
        self.assertAlmostEqual(scores[1, 0], 3 / 4, places=6)  # user 4 has rated movie 1, which is

    def test_precision(self):
        relevant, users = some_ratings(300, 8), np.array([3, 11, 29])
        scores = np.random.default_rng(9).random((len(users), SIZE.movies)).astype(np.float32)
        hits = 0
        for row, user in enumerate(users):
            order = [m for m in sorted(range(SIZE.movies), key=lambda m: -scores[row, m]) if m not in self.lists[user]]
            wanted = set(relevant.movies[relevant.users == user])
            hits += sum(m in wanted for m in order[:10])
        self.assertGreater(hits, 0)
        self.assertAlmostEqual(recommenders.precision(scores, self.train, relevant, users), hits / 30)

    def test_precision_of_chance(self):
        held = some_ratings(300, 8)
        fresh = np.array([int(m) not in self.lists[u] for u, m in zip(held.users, held.movies)])
        relevant, users, rng = held.of(fresh), np.arange(SIZE.users), np.random.default_rng(1)
        tries = [recommenders.precision(rng.random((len(users), SIZE.movies)), self.train, relevant, users) for _ in range(400)]
        self.assertAlmostEqual(recommenders.random_precision(self.train, relevant, SIZE, users), np.mean(tries), delta=.005)

    def test_unknown_users_and_movies(self):
        factors = np.array([[1., 2.], [np.nan, np.nan]]), np.array([[3., 4.]])
        pairs = Ratings(np.array([0, 1]), np.array([0, 0]), None)
        self.assertEqual(list(recommenders.predict_als(factors, pairs, np.array([7., 8.]))), [11, 8])


class Judging(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(3)
        self.truth = rng.normal(3.5, .5, 20_000)
        self.stars = self.truth + rng.normal(0, .75, 20_000)

    def test_split(self):
        ratings = some_ratings(50_000)
        train, test = recommend.split(ratings, 1, .2)
        pairs = [set(zip(part.users.tolist(), part.movies.tolist())) for part in (train, test)]
        self.assertFalse(pairs[0] & pairs[1])
        self.assertEqual(len(train.stars) + len(test.stars), 50_000)
        grid = np.divmod(np.arange(10**6), 1000)
        first, second = (recommend.uniform(*grid, purpose) < .2 for purpose in (1, 2))
        self.assertAlmostEqual(first.mean(), .2, delta=.002)
        self.assertAlmostEqual(second[first].mean(), .2, delta=.005)  # the parts are independent

    def test_what_can_be_passes(self):
        found = {"truth": self.truth, "mean": np.full(20_000, 3.5), "noisy": self.truth + .01}
        self.assertEqual(recommend.check(self.stars, found, self.truth, .75), [])

    def test_what_cannot_be_is_noticed(self):
        self.assertEqual(recommend.controls(self.stars, self.truth, .75), [])
        self.assertEqual(len(recommend.check(self.stars, {}, self.truth, .70)), 1)
        self.assertEqual(len(recommend.check(self.stars, {"leak": (self.truth + self.stars) / 2}, self.truth, .75)), 1)

    def test_goals(self):
        row = {"biasR2": .31, "gain": .06, "p10": {"ItemKNN": .17, "MostPop": .09, "random": .0005}}
        self.assertEqual([g["met"] for g in recommend.goals(row)], [True] * 3)
        for change in {"biasR2": .27}, {"biasR2": .39}, {"gain": .02}, {"gain": .11}, \
                {"p10": {"ItemKNN": .08, "MostPop": .09, "random": .0005}}, {"p10": {"ItemKNN": .17, "MostPop": .09, "random": .01}}:
            self.assertEqual(sum(g["met"] for g in recommend.goals(row | change)), 2, change)


if __name__ == "__main__":
    unittest.main()
