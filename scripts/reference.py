#!/usr/bin/env python3
"""Computes a sequence of gen anew, from what `gen export` wrote alone.

It shares no code with gen. From users.csv, movies.csv and model.csv it
writes the same JSONL rows, byte for byte:

    reference.py --users users.csv --movies movies.csv --model model.csv --count 1000

Event n of a seed is one block of Philox4x64-10: w0..w3 of the counter
(n, 0, 0, 0) under the key (seed, 1).

    user    index = high 64 bits of w0 * users; userId = index + 1
    genre   the user's first whose cumulative weight (of 1024) is above w1 >> 54
    movie   number (high 64 bits of w2 * movies) of the genre, by movieId
    rating  1 + the number of the affinity's thresholds <= w3 >> 33, in half
            stars; affinity = the user's weights summed over the movie's genres
    time    start + floor(n * 1000 / rate) milliseconds; other schedules: schedule.py

With the profile movielens the events come from lists:

    reference.py --lists lists.csv --model model.csv --count 1000

    entry   number Permute(seed, epoch, n mod T) of the T rows of lists.csv, where
            epoch = floor(n / T): its movie, and userId + epoch * users
    rating  as above, with the thresholds of the entry's row
"""

import argparse
import csv
import datetime
import json
import math
import sys
from fractions import Fraction

import numpy as np

import schedule

LANE_EVENT = 1
LANE_ORDER = 8
WEIGHT_SUM = 1024
CHANCE_ONE = 1 << 31
RATINGS = [f"{half / 2:.1f}" for half in range(1, 11)]
MAX_TIME = 253402300799999  # 9999-12-31T23:59:59.999Z
CHUNK = 1 << 16  # events computed together; their arrays stay in the cache

# Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3,
# SC'11, table 2 and section 3.
PHILOX_M0, PHILOX_M1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157
PHILOX_W0, PHILOX_W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
ROUNDS = 10

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


class InputError(Exception):
    """An exported file or an option that is not what gen would accept."""


def high_product(a, b):
    """Returns the upper 64 bits of the 128-bit products of uint64 arrays.

    NumPy has no 128-bit integer: the four products of 32-bit halves are
    summed with their carries.
    """
    a_low, a_high, b_low, b_high = a & LOW, a >> HALF, b & LOW, b >> HALF
    low_high, high_low = a_low * b_high, a_high * b_low
    carry = ((a_low * b_low) >> HALF) + (low_high & LOW) + (high_low & LOW)
    return a_high * b_high + (low_high >> HALF) + (high_low >> HALF) + (carry >> HALF)


def philox(seed, lane, first, count):
    """Returns w0..w3 of Philox4x64-10 for the counters (first + i, 0, 0, 0)."""
    c0 = np.uint64(first) + np.arange(count, dtype=np.uint64)
    c1, c2, c3 = (np.zeros(count, np.uint64) for _ in range(3))
    m0, m1 = np.array([PHILOX_M0], np.uint64), np.array([PHILOX_M1], np.uint64)
    for i in range(ROUNDS):
        k0 = np.uint64((seed + i * PHILOX_W0) % 2**64)
        k1 = np.uint64((lane + i * PHILOX_W1) % 2**64)
        c0, c1, c2, c3 = high_product(m1, c2) ^ c1 ^ k0, m1 * c2, high_product(m0, c0) ^ c3 ^ k1, m0 * c0
    return c0, c1, c2, c3


def philox_block(seed, lane, counter):
    """Returns the four words of Philox4x64-10 of one counter, by numpy.random."""
    before = (sum(c << 64 * i for i, c in enumerate(counter)) - 1) % 2**256
    words = [before >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)]
    return np.random.Philox(counter=np.array(words, np.uint64), key=np.array([seed, lane], np.uint64)).random_raw(4)


def numpy_philox(seed, lane, first, count):
    """Returns the same from numpy.random, which counts up before each block."""
    before = (first - 1) % 2**256
    words = [before >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)]
    generator = np.random.Philox(counter=np.array(words, np.uint64), key=np.array([seed, lane], np.uint64))
    return tuple(generator.random_raw(4 * count).reshape(count, 4).T)


def read_rows(path, columns):
    """Yields (line number, row) of a CSV file that must have these columns."""
    with open(path, newline="", encoding="utf-8") as f:
        reader = csv.reader(f)
        if next(reader, None) != columns:
            raise InputError(f"{path}: the header is not {','.join(columns)}")
        for row in reader:
            if len(row) != len(columns):
                raise InputError(f"{path}:{reader.line_num}: {len(row)} values instead of {len(columns)}")
            yield reader.line_num, row


def steps(text):
    """Returns a decimal of 1 as a whole number of 1/1024."""
    value = Fraction(text) * WEIGHT_SUM
    if value.denominator != 1 or not 0 <= value <= WEIGHT_SUM:
        raise ValueError(f"{text} is not a number of 1/{WEIGHT_SUM} from 0 to 1")
    return int(value)


class Tables:
    """The exported population, catalogue and rating chances, as arrays."""

    def __init__(self, users_path, movies_path, model_path):
        self._read_movies(movies_path)
        self._read_users(users_path)
        self.below = read_model(model_path, "affinity", WEIGHT_SUM + 1, steps)

    def _read_movies(self, path):
        rows = []
        for line, (movie, _, genres) in read_rows(path, ["movieId", "title", "genres"]):
            rows.append((int(movie), genres.split("|") if genres else []))
            if len(rows) > 1 and rows[-1][0] <= rows[-2][0]:
                raise InputError(f"{path}:{line}: movieId {movie} does not ascend")
        names = sorted({g for _, genres in rows for g in genres}, key=str.encode)
        self.genre_number = {name: i for i, name in enumerate(names)}
        masks = [sum(1 << self.genre_number[g] for g in set(genres)) for _, genres in rows]
        ids, masks = np.array([m for m, _ in rows], np.int64), np.array(masks, np.int64)
        of_genre = [np.flatnonzero(masks >> g & 1) for g in range(len(names))]
        self.genre_size = np.array([len(m) for m in of_genre], np.uint64)
        self.genre_first = np.cumsum(self.genre_size) - self.genre_size
        by_genre = np.concatenate([np.array([], np.int64), *of_genre])
        self.movie_id, self.movie_mask = ids[by_genre], masks[by_genre]

    def _read_users(self, path):
        users = []
        for line, (user, genre, weight) in read_rows(path, ["userId", "genre", "weight"]):
            if int(user) == len(users) + 1:
                users.append([])
            if int(user) != len(users):
                raise InputError(f"{path}:{line}: userId {user} follows {len(users)}")
            if genre not in self.genre_number:
                raise InputError(f"{path}:{line}: no movie has the genre {genre!r}")
            users[-1].append((self.genre_number[genre], steps(weight)))
        if not users:
            raise InputError(f"{path}: no users")
        top_k = max(map(len, users))
        padded = [weights + [(0, 0)] * (top_k - len(weights)) for weights in users]
        self.user_genre, self.user_units = np.array(padded, np.int64).transpose(2, 0, 1)
        self.user_reach = np.cumsum(self.user_units, axis=1)
        wrong = np.flatnonzero(self.user_reach[:, -1] != WEIGHT_SUM)
        if len(wrong):
            raise InputError(f"{path}: the weights of user {wrong[0] + 1} do not sum to 1")

    def events(self, seed, first, count):
        """Returns the user ids, movie ids and half stars of count events."""
        w0, w1, w2, w3 = event_words(seed, first, count)
        user = high_product(w0, np.array([len(self.user_units)], np.uint64)).astype(np.int64)
        x = (w1 >> np.uint64(54)).astype(np.int64)
        place = (self.user_reach[user] <= x[:, None]).sum(axis=1)
        genre = self.user_genre[user, place]
        at = self.genre_first[genre] + high_product(w2, self.genre_size[genre])
        liked = self.movie_mask[at][:, None] >> self.user_genre[user] & 1
        affinity = (self.user_units[user] * liked).sum(axis=1)
        return user + 1, self.movie_id[at], half_stars(self.below[affinity], w3)


class Lists:
    """The exported lists of the profile movielens, as arrays."""

    ROWS = 1024
    MAX_ID = 2**31 - 1

    def __init__(self, lists_path, model_path):
        rows = [(int(u), int(m), int(r)) for _, (u, m, r) in read_rows(lists_path, ["userId", "movieId", "row"])]
        self.user, self.movie, self.row = np.array(rows, np.int64).T
        self.users = int(self.user.max())
        self.below = read_model(model_path, "row", self.ROWS, int)

    def events(self, seed, first, count):
        """Returns the user ids, movie ids and half stars of count events."""
        *_, w3 = event_words(seed, first, count)
        size = len(self.user)
        n = np.arange(first, first + count, dtype=np.int64)
        at = np.concatenate([permute(seed, e, part - e * size, size) for e, part in by_epoch(n, size)])
        cohort = n // size % (self.MAX_ID // self.users)
        return cohort * self.users + self.user[at], self.movie[at], half_stars(self.below[self.row[at]], w3)


def by_epoch(n, size):
    """Yields each epoch of consecutive numbers and those of them that are in it."""
    for epoch in range(int(n[0]) // size, int(n[-1]) // size + 1):
        yield epoch, n[n // size == epoch]


def mix(z):
    """Returns the finaliser of MurmurHash3 of uint64 numbers."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        z = (z ^ z >> np.uint64(33)) * np.uint64(factor)
    return z ^ z >> np.uint64(33)


def permute(seed, epoch, x, size):
    """Returns where numbers below size lie after the permutation of an epoch."""
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)
    keys = [int(w) for i in (0, 1) for w in philox_block(seed, LANE_ORDER, (epoch, i, 0, 0))]
    x = x.astype(np.uint64)
    a64, b64 = np.array([a], np.uint64), np.array([b], np.uint64)
    todo = np.ones(len(x), bool)
    while todo.any():
        left, right = x[todo] % a64, x[todo] // a64
        for i in range(0, len(keys), 2):
            left = (left + high_product(mix(right ^ np.uint64(keys[i])), a64)) % a64
            right = (right + high_product(mix(left ^ np.uint64(keys[i + 1])), b64)) % b64
        x[todo] = left + right * a64
        todo = x >= np.uint64(size)
    return x.astype(np.int64)


def read_model(path, name, count, number):
    """Returns the thresholds of each of count rows, which column name numbers."""
    below = np.full((count, len(RATINGS)), -1, np.int64)
    for line, (row, rating, _, cumulative) in read_rows(path, [name, "rating", "chance", "cumulative"]):
        stars = Fraction(rating) * 2
        if stars not in range(1, len(RATINGS) + 1):
            raise InputError(f"{path}:{line}: rating {rating}")
        below[number(row), int(stars) - 1] = int(cumulative)
    if (below < 0).any():
        row, rating = np.argwhere(below < 0)[0]
        raise InputError(f"{path}: {name} number {row} has no rating {RATINGS[rating]}")
    if (below[:, -1] != CHANCE_ONE).any() or (np.diff(below) < 0).any():
        raise InputError(f"{path}: the cumulative chances do not ascend to {CHANCE_ONE}")
    return below[:, :-1]


def event_words(seed, first, count):
    """Returns the random words of count events."""
    words = philox(seed, LANE_EVENT, first, count)
    if not np.array_equal(words, numpy_philox(seed, LANE_EVENT, first, count)):
        raise AssertionError(f"Philox differs from numpy.random at event {first}")
    return words


def half_stars(below, word):
    """Returns the ratings that random words have by thresholds."""
    return 1 + (below <= (word >> np.uint64(33)).astype(np.int64)[:, None]).sum(axis=1)


def times(start, rate, first, count):
    """Returns the epoch milliseconds of count events: start + floor(n * 1000 / rate)."""
    per_event = Fraction(1000) / rate
    # Python's integers do not overflow; the rest below does not within a chunk.
    whole, rest = divmod(first * per_event.numerator, per_event.denominator)
    k = np.arange(count, dtype=np.uint64)
    offset = (np.uint64(rest) + k * np.uint64(per_event.numerator)) // np.uint64(per_event.denominator)
    if start + whole + int(offset[-1]) > MAX_TIME:
        raise InputError(f"event {first + count - 1} lies after the year 9999")
    return np.int64(start + whole) + offset.astype(np.int64)


def chunks(tables, options):
    """Yields user ids, movie ids, half stars and times, a chunk at a time."""
    for first in range(options.first, options.first + options.count, CHUNK):
        count = min(CHUNK, options.first + options.count - first)
        if options.schedule:
            time = np.array(schedule.times(options.schedule, first, count), np.int64)
        else:
            time = times(options.start, options.rate, first, count)
        yield *tables.events(options.seed, first, count), time


def write_rows(parts, out):
    for user, movie, half_stars, time in parts:
        rating = [RATINGS[half - 1] for half in half_stars.tolist()]
        rows = zip(user.tolist(), movie.tolist(), rating, time.tolist())
        out.write("".join(['{"userId":%d,"movieId":%d,"rating":%s,"timestamp":%d}\n' % row for row in rows]))


def write_summary(parts, out):
    """Writes what read_back.py takes as the expected values."""
    users = movies = 0
    histogram, bounds = np.zeros(len(RATINGS), np.int64), []
    for user, movie, half_stars, time in parts:
        users, movies = users + int(user.sum()), movies + int(movie.sum())
        histogram += np.bincount(half_stars - 1, minlength=len(RATINGS))
        bounds += [int(time[0]), int(time[-1])]
    count = int(histogram.sum())
    stars = sum(float(r) * int(n) for r, n in zip(RATINGS, histogram))
    summary = {
        "count": count, "sum_user": users, "sum_movie": movies, "avg_rating": stars / count,
        "histogram": {r: int(n) for r, n in zip(RATINGS, histogram) if n},
        "min_timestamp": min(bounds), "max_timestamp": max(bounds),
    }
    out.write(json.dumps(summary) + "\n")


def whole(low, high):
    def parse(text):
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return value
    return parse


def parse_rate(text):
    """Reads events per second, "50", "0.5", "1/3", or "90/m", "20/h", "5/d"."""
    value = schedule.parse_rate(text)
    if value <= 0 or max(value.numerator, value.denominator) > 10**9:
        raise argparse.ArgumentTypeError(f"{text} is not above 0, or a term passes 10^9")
    return value


def parse_start(text):
    """Reads epoch milliseconds or an ISO 8601 time, in UTC unless it says otherwise."""
    if text.lstrip("-").isdigit():
        return int(text)
    utc, epoch = datetime.timezone.utc, datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


def parse_options(argv):
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--users", metavar="FILE", help="of gen export users")
    p.add_argument("--movies", metavar="FILE", help="of gen export movies")
    p.add_argument("--lists", metavar="FILE", help="of gen export lists, instead of --users and --movies")
    p.add_argument("--model", required=True, metavar="FILE", help="of gen export model")
    p.add_argument("--seed", type=whole(0, 2**64 - 1), default=42, help="of the events (default %(default)s)")
    p.add_argument("--from", type=whole(0, 2**53), default=0, dest="first", metavar="N", help="first event (default 0)")
    p.add_argument("--count", type=whole(1, 2**53), required=True, metavar="N", help="number of events")
    p.add_argument("--rate", type=parse_rate, default="50", help="events per second: 50, 0.5, 1/3 (default %(default)s)")
    p.add_argument("--start", type=parse_start, default="2025-01-01T00:00:00Z",
                   help="ISO 8601 or epoch ms of event 0 (default %(default)s)")
    p.add_argument("--schedule", type=json.loads, metavar="JSON", help="as gen records it, instead of --rate and --start")
    p.add_argument("--summary", action="store_true", help="write totals as one JSON object instead of the rows")
    options = p.parse_args(argv)
    if bool(options.lists) == bool(options.users and options.movies):
        p.error("--users and --movies are wanted, or --lists")
    return options


def main(argv=None):
    options = parse_options(argv)
    try:
        if options.lists:
            tables = Lists(options.lists, options.model)
        else:
            tables = Tables(options.users, options.movies, options.model)
        write = write_summary if options.summary else write_rows
        write(chunks(tables, options), sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # nothing is left to say, nor to flush at exit
    except (InputError, OSError, ValueError) as e:
        sys.exit(f"reference.py: {e}")


if __name__ == "__main__":
    main()
