#!/usr/bin/env python3
"""report_check.py computes every figure of `gen report --json` anew, with DuckDB
and NumPy, and compares.

    scripts/report_check.py REPORT.json --events 'ratings/part-*.parquet' \
        [--users users.csv --movies movies.csv --model model.csv]

The tables are those of `gen export`; without them the events are of other origin,
and --movies is MovieLens' movies.csv. It ends with exit status 1 when a figure
differs, when one is not computed here, and when a figure that was changed on
purpose is not noticed.
"""

import argparse
import copy
import json
import math
import sys

import duckdb
import numpy as np
import pandas as pd

REAL_COUNTS = [239125, 680732, 279252, 1430997, 883398, 4291193, 2200156, 5561926, 1534824, 2898660]
REAL_GENRES = {
    "Drama": 44.3, "Comedy": 37.5, "Action": 28.1, "Thriller": 26.6, "Adventure": 21.9, "Romance": 19.0, "Crime": 16.5,
    "Sci-Fi": 15.8, "Fantasy": 10.6, "Children": 8.3, "Mystery": 7.8, "Horror": 7.4, "Animation": 5.7, "War": 5.2,
    "Musical": 4.4, "IMAX": 2.5, "Western": 2.1, "Documentary": 1.2, "Film-Noir": 1.1, "(no genres listed)": 36100 / 20000263,
}
REAL_HOURS = [4.7, 4.5, 4.5, 4.4, 3.8, 3.5, 3.2, 2.9, 2.8, 2.6, 2.6, 2.7, 3.1, 3.5, 3.9, 4.4, 4.8, 5.0, 5.4, 5.7, 5.8, 5.8, 5.4, 5.0]
DOCUMENT = [2, 5, 8, 12, 15, 18, 16, 13, 8, 3]


def distance(a, b):
    p, q = np.array(a, float), np.array(b, float)
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2

    def kl(x):
        seen = x > 0
        return (x[seen] * np.log2(x[seen] / m[seen])).sum()

    return {"jsd": (kl(p) + kl(q)) / 2, "tv": abs(p - q).sum() / 2}


def gamma_q(a, x):
    """Regularised upper incomplete gamma function."""
    if x < a + 1:
        term = total = 1 / a
        k = a
        while abs(term) > abs(total) * 1e-17:
            k += 1
            term *= x / k
            total += term
        return 1 - total * math.exp(-x + a * math.log(x) - math.lgamma(a))
    b, c = x + 1 - a, 1e300
    d = h = 1 / b
    for i in range(1, 1_000_000):
        an = -i * (i - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return h * math.exp(-x + a * math.log(x) - math.lgamma(a))


def chi_square_p(counts, chances):
    """Pearson's; the cells that expect fewer than five are one, with the next ones
    if that expects fewer still."""
    n = sum(counts)
    cells = sorted(((p * n, k) for p, k in zip(chances, counts)), key=lambda cell: cell[0])
    rare = [cell for cell in cells if cell[0] < 5]
    kept = cells[len(rare):]
    while rare and kept and sum(e for e, _ in rare) < 5:
        rare.append(kept.pop(0))
    if rare:
        kept.append((sum(e for e, _ in rare), sum(o for _, o in rare)))
    if len(kept) < 2:
        return None
    return gamma_q((len(kept) - 1) / 2, sum((o - e) ** 2 / e for e, o in kept if e > 0) / 2)


def distribution(counts):
    x = np.sort(np.asarray(counts, float))
    n = len(x)
    top = lambda part: x[n - max(1, round(part * n)):].sum() / x.sum()
    return {
        "number": n, "mean": x.mean(), "sd": x.std(ddof=1), "min": x[0], "max": x[-1],
        **{name: np.quantile(x, q) for name, q in (("p25", .25), ("median", .5), ("p75", .75), ("p90", .9), ("p95", .95), ("p99", .99))},
        # The Gini coefficient as the mean absolute difference over twice the mean.
        "gini": sum((2 * (i + 1) - n - 1) * v for i, v in enumerate(x)) / (n * x.sum()),
        "top1": top(.01), "top10": top(.1),
    }


def held_out(user, movie):
    with np.errstate(over="ignore"):
        h = user.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + movie.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
        h = (h ^ (h >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return (h >> np.uint64(32)) % np.uint64(10) == 0


def bias(events):
    held = held_out(events.userId.to_numpy(), events.movieId.to_numpy())
    train, test = events[~held], events[held]
    mu = train.rating.mean()
    of_movie = (train.rating - mu).groupby(train.movieId).agg(["sum", "count"])
    of_movie = of_movie["sum"] / (25 + of_movie["count"])
    left = train.rating - mu - train.movieId.map(of_movie)
    of_user = left.groupby(train.userId).agg(["sum", "count"])
    of_user = of_user["sum"] / (10 + of_user["count"])

    def r2(part):
        predicted = mu + part.movieId.map(of_movie).fillna(0) + part.userId.map(of_user).fillna(0)
        return 1 - ((part.rating - predicted) ** 2).sum() / ((part.rating - part.rating.mean()) ** 2).sum()

    return {"r2": r2(test), "fit": r2(train), "heldOut": len(test)}


def known_figures(events, users, movies, model, seed_like):
    """Figures that need the tables of the snapshot."""
    genres = sorted({g for text in movies.genres for g in text.split("|") if g})
    number = {g: i for i, g in enumerate(genres)}
    population = users.userId.max()
    units = np.zeros((population, len(genres)))
    units[users.userId - 1, users.genre.map(number)] = (users.weight * 1024).round()
    has = np.zeros((len(movies), len(genres)))
    for row, text in enumerate(movies.genres):
        for g in text.split("|"):
            if g:
                has[row, number[g]] = 1
    row_of = pd.Series(np.arange(len(movies)), index=movies.movieId)
    rows = row_of[events.movieId].to_numpy()
    u = ((events.userId - 1) % population).to_numpy()
    affinity = np.concatenate([(units[u[i:i + 100_000]] * has[rows[i:i + 100_000]]).sum(axis=1) for i in range(0, len(u), 100_000)]) / 1024
    known = {"affinityCorrelation": np.corrcoef(affinity, events.rating)[0, 1]}
    first = users.groupby("userId").head(3)
    top3 = first.genre.value_counts() / population
    known["top3"] = [top3.get(g, 0) for g in genres]

    # The probability of each movie for each user, by the formulas.
    drawn = units.sum(axis=0) / 1024 / population
    of_genre = has / has.sum(axis=0)
    movie_chance = of_genre @ drawn
    expected = {"genres": list(has.T @ movie_chance)}
    n = len(events)
    observed = has[rows].sum(axis=0) / n
    p = np.array(expected["genres"])
    expected["genresZ"] = (abs(observed - p) / np.sqrt(p * (1 - p) / n)).max()
    counts = np.bincount(rows, minlength=len(movies))
    expected["moviesP"] = chi_square_p(counts, movie_chance)
    expected["usersP"] = chi_square_p(np.bincount(u, minlength=population), [1 / population] * population)
    if seed_like:
        alike = min(3, users.groupby("userId").size().max()) / len(genres)
        expected["top3Z"] = (abs(np.array(known["top3"]) - alike) / math.sqrt(alike * (1 - alike) / population)).max()

    masks, kind = np.unique(has, axis=0, return_inverse=True)
    of_kind = np.array([of_genre[kind == k].sum(axis=0) for k in range(len(masks))])
    chance = model.pivot(index="affinity", columns="rating", values="chance").to_numpy()
    shares = np.zeros(10)
    for part in np.array_split(units, 20):
        level = (part @ masks.T).round().astype(int)
        weight = (part / 1024) @ of_kind.T / population
        shares += np.bincount(level.ravel(), weights=weight.ravel(), minlength=1025) @ chance
    stars = np.arange(1, 11) / 2
    rating_counts = [int((events.rating == s).sum()) for s in stars]
    known["expected"] = {
        "ratings": list(shares), "mean": float(shares @ stars), "to": distance(rating_counts, shares),
        "ratingsP": chi_square_p(rating_counts, shares), "draws": expected,
    }
    return known


def figures(events, users, movies, model, report):
    """Computes what the report's figures should be. Of a curve it takes where the
    points are from the report."""
    db = duckdb.connect()
    db.register("events", events)
    one = lambda sql: db.execute(sql).fetchone()[0]
    n = len(events)
    stars = [s / 2 for s in range(1, 11)]
    counts = [int(one(f"select count(*) from events where rating = {s}")) for s in stars]
    mean = events.rating.mean()
    deviation = events.rating - mean
    per_user = db.execute("select userId, count(*) n, avg(rating) mean, bool_or(rating <> floor(rating)) half from events group by userId order by userId").df()
    per_movie = db.execute("select movieId, count(*) n, avg(rating) mean from events group by movieId order by movieId").df()
    first, last = int(one("select min(timestamp) from events")), int(one("select max(timestamp) from events"))
    enough, often = per_user[per_user.n >= 20], per_movie[per_movie.n >= 50]
    repeats = n - int(one("select count(*) from (select distinct userId, movieId from events)"))
    popular = np.sort(per_movie.n.to_numpy())[::-1]
    hours = [0] * 24
    for hour, k in db.execute("select (timestamp // 3600000) % 24, count(*) from events group by 1").fetchall():
        hours[int(hour)] = k / n
    want = {
        "count": n,
        "time": {"first": first, "last": last, "rate": (n - 1) / ((last - first) / 1000)},
        "ratings": {
            "counts": counts, "shares": [c / n for c in counts], "mean": mean, "sd": events.rating.std(),
            "skew": (deviation ** 3).mean() / (deviation ** 2).mean() ** 1.5, "halfStars": one("select avg((rating <> floor(rating))::int) from events"),
            "toMovieLens": distance(counts, REAL_COUNTS), "toDocument": distance(counts, DOCUMENT),
        },
        "users": {
            **distribution(per_user.n), "curve": [[x, (per_user.n >= x).mean()] for x, _ in report["users"]["curve"]],
            "enough": len(enough), "meanSD": enough["mean"].std() if len(enough) > 1 else 0,
            "noHalfStars": (~enough.half).mean() if len(enough) else 0,
        },
        "movies": {
            **distribution(per_movie.n), "curve": [[x, popular[int(x) - 1] / n] for x, _ in report["movies"]["curve"]],
            "enough": len(often), "meanSD": often["mean"].std() if len(often) > 1 else 0,
        },
        "repeats": {"events": repeats, "share": repeats / n},
        "bias": bias(events),
        "hours": {"shares": hours, "toMovieLens": distance(hours, REAL_HOURS)},
    }
    unknown = sorted(set(per_movie.movieId) - set(movies.movieId))
    zeros = len(set(movies.movieId) - set(per_movie.movieId))
    want["movies"]["unknown"] = len(unknown)
    want["movies"]["catalogue"] = distribution(list(per_movie.n) + [0] * zeros)
    pairs = movies.assign(genre=movies.genres.str.split("|")).explode("genre")[["movieId", "genre"]]
    db.register("pairs", pairs[pairs.genre != ""])
    shares = dict(db.execute(f"select genre, count(*) / {n} from events join pairs using (movieId) group by genre").fetchall())
    genres = sorted(set(pairs.genre) - {""})
    names = genres + [g for g in REAL_GENRES if g not in genres]
    want["genres"] = {
        "list": [{"genre": g, "share": shares.get(g, 0)} for g in genres],
        "toMovieLens": distance([shares.get(g, 0) for g in names], [REAL_GENRES.get(g, 0) for g in names]),
    }
    if users is not None:
        known = known_figures(events, users, movies, model, "top3Z" in report["expected"]["draws"])
        for genre, top3 in zip(want["genres"]["list"], known.pop("top3")):
            genre["top3"] = top3
        want.update(known)
    return want


def differences(got, want, path=""):
    """Yields a line for each leaf that differs or stands on one side only."""
    if isinstance(want, dict) and isinstance(got, dict):
        want = {key: value for key, value in want.items() if value is not None}
        for key in sorted(set(got) | set(want)):
            if key not in got or key not in want:
                yield f"{path}.{key} is only in {'the report' if key in got else 'the computation'}"
            else:
                yield from differences(got[key], want[key], f"{path}.{key}")
    elif isinstance(want, list) and isinstance(got, list):
        if len(got) != len(want):
            yield f"{path} has {len(got)} values, want {len(want)}"
        for i, pair in enumerate(zip(got, want)):
            yield from differences(*pair, f"{path}[{i}]")
    elif isinstance(want, str):
        if got != want:
            yield f"{path} is {got}, want {want}"
    elif not math.isclose(got, float(want), rel_tol=1e-9, abs_tol=1e-12):
        yield f"{path} is {got}, want {want}"


def leaves(node, path=()):
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if items is None:
        yield path, node
        return
    for key, value in items:
        yield from leaves(value, path + (key,))


def changed(report, path):
    """Returns the report with one figure a little higher."""
    other = copy.deepcopy(report)
    node = other
    for key in path[:-1]:
        node = node[key]
    value = node[path[-1]]
    node[path[-1]] = value + "x" if isinstance(value, str) else value * (1 + 1e-7) + 1e-9
    return other


def check_goals(report):
    """Each goal's verdict must be that of its values and bounds."""
    met = judged = 0
    for goal in report["goals"]:
        holds = [p["value"] >= p.get("min", p["value"]) and p["value"] <= p.get("max", p["value"]) for p in goal["parts"] if p["value"] is not None]
        if goal["met"] is None:
            continue
        judged += 1
        met += goal["met"]
        if len(holds) != len(goal["parts"]) or goal["met"] != all(holds):
            sys.exit(f"report_check.py: goal {goal['number']} says met: {goal['met']}, its parts {goal['parts']}")
    if not report["verdict"].startswith(f"{met} of {judged} goals met"):
        sys.exit(f"report_check.py: the verdict {report['verdict']!r} is not {met} of {judged}")
    print(f"ok: {report['verdict']}, as their values and bounds say")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report")
    parser.add_argument("--events", required=True)
    parser.add_argument("--users")
    parser.add_argument("--movies", required=True)
    parser.add_argument("--model")
    args = parser.parse_args()
    with open(args.report) as f:
        report = json.load(f)
    reader = "read_parquet" if ".parquet" in args.events else "read_csv" if ".csv" in args.events else "read_json"
    events = duckdb.sql(f"select userId, movieId, rating, timestamp from {reader}('{args.events}')").df()
    if events.timestamp.max() < 10 ** 11:
        events.timestamp *= 1000
    csv = lambda name: pd.read_csv(name, keep_default_na=False)
    users = csv(args.users) if args.users else None
    model = csv(args.model) if args.model else None
    got = report["figures"]
    want = figures(events, users, csv(args.movies), model, got)
    wrong = list(differences(got, want))
    if wrong:
        sys.exit("report_check.py: " + "\n  ".join(wrong[:20]))
    paths = [path for path, _ in leaves(got)]
    print(f"ok: {len(paths)} figures of {len(events)} events are equal")
    # Where a curve has its points is not computed, only their height.
    computed = [path for path in paths if "curve" not in path or path[-1] == 1]
    blind = [path for path in computed if not any(differences(changed(got, path), want))]
    if blind:
        sys.exit(f"report_check.py: control: a change of {blind[0]} is not noticed")
    print(f"ok: control: each of {len(computed)} figures is noticed when it is changed")
    check_goals(report)


if __name__ == "__main__":
    main()
