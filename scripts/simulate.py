#!/usr/bin/env python3
"""Simulates the formulas of the rating model and prints the rating shares.

It shares nothing with gen but the formulas: floating point, NumPy's own
generator, no tables.

    weights   Dirichlet(alpha) over the genres, the top k, renormalised
    event     a user uniformly, a genre by the user's weights, a movie
              uniformly among the genre's
    affinity  the user's weights summed over the movie's genres, at most 1
    rating    1 + 4 * affinity + N(0, noise), clamped to [0.5, 5.0], rounded
              to the nearest 0.5

With --compare the total variation distance (TV) to other shares is printed
too. The exit status is 1 when TV reaches --limit, or when a rating lies
outside [0.5, 5.0]: the clamp alone moves too few ratings for TV to notice.

A population is itself random. TV to one of 10,000 users is 0.001 to 0.003, to
one of 200,000 about 0.0008, to one of 1,000,000 about 0.0004: compare with a
large one. The options from --noise to --no-renormalise alter the model on
purpose, to show what the limit notices.
"""

import argparse
import csv
import json
import re
import sys
from collections import Counter

import numpy as np

LOT = 500_000  # events, or users, drawn together


def read_catalogue(path, without):
    """Returns a boolean array [movie, genre] from a movies.csv."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = csv.DictReader(f)
        if "genres" not in (rows.fieldnames or []):
            raise ValueError(f"{path}: no column genres")
        movies = [{g for g in row["genres"].split("|") if g} - set(without) for row in rows]
    names = sorted(set().union(*movies))
    if not names:
        raise ValueError(f"{path}: no movie has a genre")
    return np.array([[name in genres for name in names] for genres in movies])


def draw_users(rng, users, genres, options):
    """Returns the kept genres and their weights, both [user, top k]."""
    kept, weights = [], []
    for first in range(0, users, LOT):
        w = rng.dirichlet(np.full(genres, options.alpha), min(LOT, users - first))
        top = np.argpartition(w, -options.top_k, axis=1)[:, -options.top_k:]
        kept.append(top)
        weights.append(np.take_along_axis(w, top, axis=1))
    kept, weights = np.concatenate(kept), np.concatenate(weights)
    if not options.no_renormalise:
        weights /= weights.sum(axis=1, keepdims=True)
    return kept, weights


def draw_ratings(rng, has_genre, population, count, options):
    """Returns the ratings of count events in stars."""
    kept, weights = population
    user = rng.integers(len(kept), size=count)
    # Weights that were not renormalised still choose among the kept genres.
    reach = np.cumsum(weights[user], axis=1)
    place = (reach <= rng.random(count)[:, None] * reach[:, -1:]).sum(axis=1)
    genre = kept[user, np.minimum(place, options.top_k - 1)]
    movie = np.empty(count, np.int64)
    for g in range(has_genre.shape[1]):
        events = np.flatnonzero(genre == g)
        movie[events] = rng.choice(np.flatnonzero(has_genre[:, g]), len(events))
    liked = has_genre[movie[:, None], kept[user]]
    affinity = np.minimum((weights[user] * liked).sum(axis=1), 1)
    stars = 1 + 4 * affinity + rng.normal(0, options.noise, count)
    if not options.no_clamp:
        stars = np.clip(stars, 0.5, 5)
    return (np.floor if options.rounding == "floor" else np.rint)(stars * 2) / 2


def simulate(has_genre, options):
    """Returns the number of events of each rating."""
    rng = np.random.default_rng(options.seed)
    population = draw_users(rng, options.users, has_genre.shape[1], options)
    counts = Counter()
    for first in range(0, options.events, LOT):
        ratings = draw_ratings(rng, has_genre, population, min(LOT, options.events - first), options)
        values, times = np.unique(ratings, return_counts=True)
        counts.update(dict(zip(values.tolist(), times.tolist())))
    return counts


def read_weights(path):
    """Returns what a file says of each rating: counts, shares or per cent.

    It is events (.jsonl, .csv) or JSON: {"0.5": 0.0001, ...}, a list from 0.5
    to 5.0, or an object with either under "shares".
    """
    if path.endswith(".json"):
        with open(path, encoding="utf-8") as f:
            shares = json.load(f)
        if isinstance(shares, dict):
            shares = shares.get("shares", shares)
        if isinstance(shares, list):
            shares = {(i + 1) / 2: share for i, share in enumerate(shares)}
        return Counter({float(rating): float(share) for rating, share in shares.items()})
    counts = Counter()
    if path.endswith(".csv"):
        with open(path, newline="", encoding="utf-8") as f:
            counts.update(row["rating"] for row in csv.DictReader(f))
    else:
        with open(path, "rb") as f:
            while lines := f.readlines(1 << 24):
                ratings = re.findall(rb'"rating":\s*(-?[0-9.]+)', b"".join(lines))
                if len(ratings) != len(lines):
                    raise ValueError(f"{path}: {len(lines)} lines hold {len(ratings)} ratings")
                counts.update(ratings)
    return Counter({float(rating): count for rating, count in counts.items()})


def shares_of(weights):
    total = sum(weights.values())
    if total <= 0:
        raise ValueError("no ratings to compare with")
    return {rating: weight / total for rating, weight in sorted(weights.items())}


def total_variation(a, b):
    return sum(abs(a.get(r, 0) - b.get(r, 0)) for r in a.keys() | b.keys()) / 2


def outside(shares):
    return sum(share for rating, share in shares.items() if not 0.5 <= rating <= 5)


def parse_options(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("movies", metavar="MOVIES_CSV", help="catalogue: columns movieId, title, genres")
    p.add_argument("--without", action="append", default=[], metavar="GENRE", help="leave a genre out; may be repeated")
    p.add_argument("--events", type=int, default=10_000_000, help="events to draw (default %(default)s)")
    p.add_argument("--users", type=int, default=1_000_000, help="size of the population (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="of NumPy's generator (default %(default)s)")
    p.add_argument("--compare", metavar="FILE", help="shares (.json) or events (.jsonl, .csv) to compare with")
    p.add_argument("--limit", type=float, default=0.002, help="TV from which on --compare fails (default %(default)s)")
    p.add_argument("--noise", type=float, default=0.3, help="in stars (default %(default)s)")
    p.add_argument("--alpha", type=float, default=0.5, help="of the Dirichlet distribution (default %(default)s)")
    p.add_argument("--top-k", type=int, default=3, help="genres kept for a user (default %(default)s)")
    p.add_argument("--rounding", choices=["nearest", "floor"], default="nearest", help="(default %(default)s)")
    p.add_argument("--no-clamp", action="store_true", help="let ratings leave [0.5, 5.0]")
    p.add_argument("--no-renormalise", action="store_true", help="keep the weights of the top k as drawn")
    options = p.parse_args(argv)
    if min(options.events, options.users, options.top_k) < 1:
        p.error("--events, --users and --top-k must be at least 1")
    return options


def main(argv=None):
    options = parse_options(argv)
    try:
        has_genre = read_catalogue(options.movies, options.without)
        if options.top_k > has_genre.shape[1]:
            raise ValueError(f"--top-k {options.top_k}, but the catalogue has {has_genre.shape[1]} genres")
        other = options.compare and shares_of(read_weights(options.compare))
        shares = shares_of(simulate(has_genre, options))
    except (OSError, ValueError, KeyError) as e:
        sys.exit(f"simulate.py: {e}")
    mean = sum(rating * share for rating, share in shares.items())
    report = {
        "events": options.events, "users": options.users, "genres": has_genre.shape[1],
        "shares": {str(rating): share for rating, share in shares.items()}, "mean": mean,
        "sd": sum((rating - mean) ** 2 * share for rating, share in shares.items()) ** 0.5,
    }
    if other:
        report["tv"], report["limit"] = total_variation(shares, other), options.limit
        report["outside"] = max(outside(shares), outside(other))
    print(json.dumps(report))
    return 1 if other and (report["tv"] >= options.limit or report["outside"] > 0) else 0


if __name__ == "__main__":
    sys.exit(main())
