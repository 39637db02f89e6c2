#!/usr/bin/env python3
"""Shows what recommenders make of gen's data: recommend.sh is how to call it.

For each profile: events of `gen dump`, split into training (80%) and test (20%) by
a hash of (user, movie), so that a pair that comes twice is on one side; an eighth of
the training part validates settings, and the models are fitted anew on all of it.

RMSE, in stars, on the test part:
  mean      the mean of the training part
  bias      mean + user + movie (recommenders.Bias)
  ALS       pyspark.ml.recommendation.ALS of the ratings, or of what the bias model
            leaves of them: whichever is better on the validation part. For users and
            movies that training does not have it says what the bias model does.
  truth     the expected rating, from `gen export truth`: the least that is possible
  best      the same as an average over all events: bestRMSE of `gen snapshot`
gain is what ALS takes off the bias model's RMSE, at most what the truth takes off it;
R2 is 1 - (RMSE of bias / RMSE of mean)^2.

P@10: the share of a user's ten best candidates that are relevant. Candidates are the
movies of the catalogue that the user has no training rating of, relevant those with a
test rating of 4 stars or more; over users who have any, up to 1,000 of them.
ItemKNN is recommenders.item_knn, MostPop the number of training ratings, random what
is expected of chance.

It ends with exit status 1 when a recommender is better than the truth by more than
chance allows: then the split leaks. That this would be noticed is tried each time.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pyarrow.parquet
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

import local_spark
import recommenders
from recommenders import Bias, Ratings, Size, clipped

PROFILES = ("seed", "document", "movielens")
FEWEST = 50_000  # events: with fewer a small leak cannot be told from chance
RELEVANT = 4.0  # stars
ITERATIONS = 10
STANDARD_ERRORS = 4.5  # chance goes further once in 150,000 times
# What is tried on the validation part: the bias model's shrinking of users and
# movies; ItemKNN's neighbours and shrink; ALS' ratings or residuals, rank, regParam.
# From the users that have relevant test ratings P@10 takes so many.
FULL = {
    "shrinks": list(itertools.product((5, 25, 1000), repeat=2)),
    "neighbours": [(50, 10), (200, 10)],
    "factors": [
        ("ratings", 8, .07), ("ratings", 8, .1), ("ratings", 16, .1), ("ratings", 32, .1),
        ("residuals", 8, .1), ("residuals", 16, .1), ("residuals", 8, .3), ("residuals", 8, 1.),
    ],
    "sampled": 1000,
}
QUICK = {"shrinks": [(5, 5)], "neighbours": [(50, 10)], "factors": [("residuals", 8, .2)], "sampled": 300}


def say(text):
    print(f"recommend.py: {text}", file=sys.stderr, flush=True)


class Gen:
    """The program, with a state directory for each profile."""

    def __init__(self, program, work):
        self.program, self.work = program, work

    def run(self, command, *arguments):
        done = subprocess.run([self.program, *command.split(), *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"recommend.py: gen {command}: {done.stderr.strip()}")
        return done.stdout

    def make(self, profile, events):
        """Makes events and returns what gen snapshot says and their table. A user of
        seed and document gives 100 ratings, one of movielens 145, in one epoch."""
        users = events * 7 // 1000 if profile == "movielens" else events // 100
        state, out = self.work / f"{profile}.state", self.work / f"{profile}.events"
        snapshot = json.loads(self.run("snapshot", "--state", state, "--profile", profile, "--users", users, "--json"))
        count = snapshot.get("epoch") or events
        self.run("dump", "--state", state, "--count", count, "--to", out, "--format", "parquet", "--quiet")
        return snapshot, pyarrow.parquet.read_table(out, columns=["userId", "movieId", "rating"]).to_pandas()

    def movies(self, profile):
        file = self.work / f"{profile}.movies.parquet"
        self.run("export movies", "--state", self.work / f"{profile}.state", "--to", file, "--quiet")
        return np.unique(pyarrow.parquet.read_table(file, columns=["movieId"])["movieId"].to_numpy())

    def truth(self, profile, users, movies):
        pairs, file = self.work / f"{profile}.pairs.csv", self.work / f"{profile}.truth.parquet"
        pd.DataFrame({"userId": users, "movieId": movies}).to_csv(pairs, index=False)
        self.run("export truth", "--state", self.work / f"{profile}.state", "--pairs", pairs, "--to", file, "--quiet")
        found = pyarrow.parquet.read_table(file).to_pandas()
        assert (found.userId == users).all() and (found.movieId == movies).all(), "the truth is of other pairs"
        return found.expected.to_numpy()


def uniform(users, movies, purpose):
    """Returns a number from 0 to 1 for each pair: the finaliser of SplitMix64 (Steele
    and others, OOPSLA 2014)."""
    x = (users.astype(np.uint64) << np.uint64(32)) + movies.astype(np.uint64)
    x += np.uint64(purpose * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return (x ^ (x >> np.uint64(31))) / 2**64


def split(ratings, purpose, share):
    """Returns the ratings that are left and the share that is taken from them."""
    taken = uniform(ratings.users, ratings.movies, purpose) < share
    return ratings.of(~taken), ratings.of(taken)


def rmse(stars, predicted):
    return float(np.sqrt(np.mean((stars - predicted) ** 2)))


def best_of(settings, loss):
    """Returns the setting of the least loss; a single one is not tried."""
    return settings[0] if len(settings) == 1 else min(settings, key=loss)


def als(spark, train, pairs, size, bias, setting):
    """Returns what ALS, fitted to train, predicts for pairs."""
    of, rank, reg = setting
    fitted = train if of == "ratings" else train._replace(stars=train.stars - bias.predict(train))
    factors = recommenders.fit_als(spark, fitted, size, rank, reg, ITERATIONS)
    base = bias.predict(pairs)
    if of == "ratings":
        return clipped(recommenders.predict_als(factors, pairs, base))
    return clipped(base + recommenders.predict_als(factors, pairs, 0))


def predictions(spark, train, test, size, grids):
    """Returns what each model predicts for test, and with which settings."""
    fitted, held = split(train, 2, 1 / 8)
    shrinks = best_of(grids["shrinks"], lambda s: rmse(held.stars, clipped(Bias(fitted, size, *s).predict(held))))
    partial = Bias(fitted, size, *shrinks)

    def loss(setting):
        left = rmse(held.stars, als(spark, fitted, held, size, partial, setting))
        say(f"  ALS of the {setting[0]}, rank {setting[1]}, regParam {setting[2]}: validation {left:.4f}")
        return left

    factors = best_of(grids["factors"], loss)
    bias = Bias(train, size, *shrinks)
    found = {
        "mean": np.full(len(test.stars), train.stars.mean()),
        "bias": clipped(bias.predict(test)),
        "ALS": als(spark, train, test, size, bias, factors),
    }
    return found, {
        "bias": dict(zip(("userShrink", "movieShrink"), shrinks)),
        "ALS": dict(zip(("of", "rank", "regParam"), factors), maxIter=ITERATIONS),
    }


def precisions(train, test, size, grids):
    """Returns P@10 of each method and the settings of ItemKNN."""

    def sample(part):
        relevant = part.of(part.stars >= RELEVANT)
        return relevant, np.random.default_rng(42).permutation(np.unique(relevant.users))[:grids["sampled"]]

    def of_knn(train, relevant, users, setting):
        return recommenders.precision(recommenders.item_knn(train, size, users, *setting), train, relevant, users)

    fitted, held = split(train, 2, 1 / 8)
    setting = best_of(grids["neighbours"], lambda s: -of_knn(fitted, *sample(held), s))
    relevant, users = sample(test)
    return {
        "ItemKNN": float(of_knn(train, relevant, users, setting)),
        "MostPop": float(recommenders.precision(recommenders.popularity(train, size, users), train, relevant, users)),
        "random": float(recommenders.random_precision(train, relevant, size, users)),
    }, dict(zip(("neighbours", "shrink"), setting), users=len(users))


def beats(stars, predicted, truth):
    """Tells whether predictions have less error than the truth, by more than chance."""
    less = (stars - truth) ** 2 - (stars - predicted) ** 2
    return bool(less.mean() > STANDARD_ERRORS * less.std() / np.sqrt(len(less)))


def matches(stars, truth, best):
    """Tells whether the error of the truth is the one that the snapshot promises."""
    squares = (stars - truth) ** 2
    return bool(abs(squares.mean() - best**2) <= STANDARD_ERRORS * squares.std() / np.sqrt(len(squares)))


def check(stars, found, truth, best):
    """Returns what cannot be, a line each."""
    wrong = []
    if not matches(stars, truth, best):
        wrong.append(f"the truth has an RMSE of {rmse(stars, truth):.4f} on the test part, where the snapshot promises {best:.4f}")
    for name, predicted in found.items():
        if beats(stars, predicted, truth):
            wrong.append(f"{name} has an RMSE of {rmse(stars, predicted):.4f}, the truth one of {rmse(stars, truth):.4f}: test ratings have leaked into training")
    return wrong


def controls(stars, truth, best):
    """Returns the leaks and the wrong truths that check does not notice."""
    some = np.arange(len(stars)) % 100 == 0
    cases = {
        "the ratings themselves as prediction": ({"leak": stars}, truth),
        "one rating in a hundred as prediction, else the truth": ({"leak": np.where(some, stars, truth)}, truth),
        "the truth half a star off": ({}, truth + .5),
    }
    return [name for name, (found, of) in cases.items() if not check(stars, found, of, best)]


def goals(row):
    """Returns the goals 11 to 13, which are for movielens at 1,000,000 events."""
    knn, popular, chance = (row["p10"][name] for name in ("ItemKNN", "MostPop", "random"))
    return [
        {"goal": 11, "what": "bias model, R2 of .28 to .38", "value": row["biasR2"], "met": .28 <= row["biasR2"] <= .38},
        {"goal": 12, "what": "ALS gains 3 to 10% over the bias model", "value": row["gain"], "met": .03 <= row["gain"] <= .10},
        {"goal": 13, "what": "P@10: ItemKNN > MostPop > 10 times random", "value": knn, "met": knn > popular > 10 * chance},
    ]


def judge(spark, gen, profile, events, grids):
    """Returns the figures of a profile."""
    snapshot, table = gen.make(profile, events)
    say(f"{profile}: {len(table)} events of {snapshot['users']} users, snapshot {snapshot['snapshot'][:8]}")
    ids, movies = np.arange(1, snapshot["users"] + 1), gen.movies(profile)
    ratings = Ratings(table.userId.to_numpy() - 1, np.searchsorted(movies, table.movieId), table.rating.to_numpy())
    size = Size(len(ids), len(movies))
    train, test = split(ratings, 1, 1 / 5)
    found, settings = predictions(spark, train, test, size, grids)
    truth = gen.truth(profile, ids[test.users], movies[test.movies])
    wrong = check(test.stars, found, truth, snapshot["bestRMSE"])
    wrong += [f"control: not noticed: {name}" for name in controls(test.stars, truth, snapshot["bestRMSE"])]
    if wrong:
        sys.exit("\n".join(f"recommend.py: {profile}: {line}" for line in wrong))
    errors = {name: rmse(test.stars, predicted) for name, predicted in (found | {"truth": truth}).items()}
    p10, settings["ItemKNN"] = precisions(train, test, size, grids)
    row = {
        "profile": profile, "snapshot": snapshot["snapshot"], "users": size.users, "movies": size.movies,
        "events": len(table), "test": len(test.stars), "rmse": errors | {"best": snapshot["bestRMSE"]},
        "gain": 1 - errors["ALS"] / errors["bias"], "mostGain": 1 - errors["truth"] / errors["bias"],
        "biasR2": 1 - (errors["bias"] / errors["mean"]) ** 2, "p10": p10, "settings": settings,
    }
    return row | ({"goals": goals(row)} if profile == "movielens" else {})


def show(rows):
    head = ("profile", "events", "mean", "bias", "ALS", "truth", "best", "gain", "at most", "R2", "ItemKNN", "MostPop", "random")
    lines = [head]
    for r in rows:
        lines.append((
            r["profile"], str(r["events"]), *(f"{r['rmse'][k]:.4f}" for k in ("mean", "bias", "ALS", "truth", "best")),
            f"{r['gain']:.1%}", f"{r['mostGain']:.1%}", f"{r['biasR2']:.3f}",
            *(f"{r['p10'][k]:.4f}" for k in ("ItemKNN", "MostPop", "random")),
        ))
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print(line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:])), sep="  ")
    print("\nmean to best: RMSE in stars on the test part; gain of ALS over bias, and the truth's; ItemKNN to random: P@10\n")
    for r in rows:
        s = r["settings"]
        print(f"{r['profile']}: ALS of the {s['ALS']['of']}, rank {s['ALS']['rank']}, regParam {s['ALS']['regParam']}, maxIter {s['ALS']['maxIter']};"
              f" bias shrunk by {s['bias']['userShrink']} and {s['bias']['movieShrink']};"
              f" {s['ItemKNN']['neighbours']} neighbours, shrink {s['ItemKNN']['shrink']}, {s['ItemKNN']['users']} users")
    for r in rows:
        for g in r.get("goals", []):
            print(f"{r['profile']}: goal {g['goal']}, {g['what']}: {g['value']:.4f}, {'met' if g['met'] else 'not met'}")


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("events", metavar="EVENTS", nargs="?", type=int, default=1_000_000, help="for each profile, with users in proportion; movielens takes a whole epoch of about so many (default: 1000000)")
    p.add_argument("--gen", default="gen", metavar="PROGRAM", help="the program (default: gen)")
    p.add_argument("--profiles", default=",".join(PROFILES), metavar="LIST", help="with commas (default: all)")
    p.add_argument("--quick", action="store_true", help="one setting of each model instead of the best of a few")
    p.add_argument("--json", action="store_true", help="the figures as JSON")
    o = p.parse_args(argv)
    profiles = o.profiles.split(",")
    if not FEWEST <= o.events <= 10_000_000:
        p.error(f"EVENTS is {o.events}; it goes from {FEWEST} to 10000000")
    if unknown := set(profiles) - set(PROFILES):
        p.error(f"--profiles: {', '.join(sorted(unknown))}: there are {', '.join(PROFILES)}")
    try:
        with tempfile.TemporaryDirectory(prefix="gen-recommend-") as work, local_spark.session("recommend") as spark:
            rows = [judge(spark, Gen(o.gen, pathlib.Path(work)), profile, o.events, QUICK if o.quick else FULL) for profile in profiles]
    except (PySparkException, Py4JError, OSError) as e:
        sys.exit(f"recommend.py: {local_spark.reason(e)}")
    if o.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
