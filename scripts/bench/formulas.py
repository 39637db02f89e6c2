"""The formulas of the ratings as a user of NumPy would write them.

A user uniformly; one of the user's genres by their weights; a movie uniformly
among the genre's; rating = 1 + 4 * affinity + N(0, 0.3), where affinity is the
sum of the user's weights over the movie's genres, clamped to 0.5 to 5 and
rounded to halves. The tables are those of `gen export users` and `movies`.
"""

import csv
import time

import numpy as np

NOISE = 0.3


class Tables:
    def __init__(self, users, movies):
        with open(movies, newline="") as f:
            self.genres = [(int(row["movieId"]), row["genres"].split("|")) for row in csv.DictReader(f)]
        self.names = sorted({name for _, names in self.genres for name in names})
        number = {name: i for i, name in enumerate(self.names)}
        self.movie_ids = np.array([movie for movie, _ in self.genres])
        self.has = np.zeros((len(self.genres), len(self.names)), dtype=bool)
        for i, (_, names) in enumerate(self.genres):
            self.has[i, [number[name] for name in names]] = True
        self.by_genre = [np.flatnonzero(self.has[:, g]) for g in range(len(self.names))]
        self.sizes = np.array([len(movies) for movies in self.by_genre])
        preferences = {}
        with open(users, newline="") as f:
            for row in csv.DictReader(f):
                preferences.setdefault(int(row["userId"]), []).append((number[row["genre"]], float(row["weight"])))
        self.user_ids = np.array(list(preferences))
        self.weights = np.zeros((len(preferences), len(self.names)))
        for i, pairs in enumerate(preferences.values()):
            for genre, weight in pairs:
                self.weights[i, genre] = weight
        self.cumulative = self.weights.cumsum(axis=1)
        width = self.sizes.max()
        self.members = np.array([np.resize(movies, width) for movies in self.by_genre])
        self.preferences = [(user, [g for g, _ in pairs], [w for _, w in pairs]) for user, pairs in preferences.items()]

    def batch(self, rng, count):
        """Returns the arrays user, movie, rating and timestamp of count events."""
        user = rng.integers(len(self.user_ids), size=count)
        genre = (rng.random(count)[:, None] >= self.cumulative[user, :-1]).sum(axis=1)
        movie = self.members[genre, rng.integers(self.sizes[genre])]
        affinity = np.minimum((self.weights[user] * self.has[movie]).sum(axis=1), 1)
        rating = np.clip(1 + 4 * affinity + rng.normal(0, NOISE, count), 0.5, 5)
        now = int(time.time() * 1000)
        return self.user_ids[user], self.movie_ids[movie], np.round(rating * 2) / 2, np.full(count, now)

    def row(self, rng):
        """Returns one event: user, movie, rating, timestamp; rng is a random.Random."""
        user, genres, weights = rng.choice(self.preferences)
        genre = rng.choices(genres, weights)[0]
        movie, names = self.genres[rng.choice(self.by_genre[genre])]
        affinity = min(sum(w for g, w in zip(genres, weights) if self.names[g] in names), 1)
        rating = round(min(max(1 + 4 * affinity + rng.gauss(0, NOISE), 0.5), 5) * 2) / 2
        return user, movie, rating, int(time.time() * 1000)
