#!/usr/bin/env python3
"""Tests of the scripts beside it, but for Spark: test_spark.sh has that.

    "$(scripts/venv.sh)" scripts/test_scripts.py
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import random
import sys
import tempfile
import unittest
from fractions import Fraction
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet

import read_back
import reference
import simulate

START = 1735689600000
GENRES = ["Children's", "Comedy", "Drama", "Film-Noir", "Été"]
TITLES = ['The "Best", of', "Amélie", "a, b", 'back\\slash "', "plain"]


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([header, *rows])
    return str(path)


class World:
    """A small population, catalogue and model, and their exported files."""

    def __init__(self, folder, users=50, movies=40):
        rng = random.Random(7)
        self.movies = [(3 * i + 1, sorted(rng.sample(GENRES, 1 + i % 3))) for i in range(movies)]
        self.movies[5] = (self.movies[5][0], [])
        self.users = []
        for _ in range(users):
            cuts = sorted(rng.sample(range(1, 1024), 2))
            self.users.append(list(zip(rng.sample(GENRES, 3), (cuts[0], cuts[1] - cuts[0], 1024 - cuts[1]))))
        self.below = [sorted(rng.randrange(2**31) for _ in range(9)) + [2**31] for _ in range(1025)]
        self.files = [
            write_csv(folder / "users.csv", ["userId", "genre", "weight"],
                      [(u + 1, g, n / 1024) for u, weights in enumerate(self.users) for g, n in weights]),
            write_csv(folder / "movies.csv", ["movieId", "title", "genres"],
                      [(m, TITLES[m % 5], "|".join(genres)) for m, genres in self.movies]),
            write_csv(folder / "model.csv", ["affinity", "rating", "chance", "cumulative"],
                      [(a / 1024, r / 2 + 0.5, 0, n) for a, row in enumerate(self.below) for r, n in enumerate(row)]),
        ]

    def arguments(self, *more):
        names = ("--users", "--movies", "--model")
        return [word for pair in zip(names, self.files) for word in pair] + list(more)

    def row(self, seed, n, rate):
        """Computes a row with Python's integers, an event at a time."""
        w = [int(x[0]) for x in reference.numpy_philox(seed, 1, n, 1)]
        user = w[0] * len(self.users) >> 64
        weights, x = self.users[user], w[1] >> 54
        genre = next(g for i, (g, _) in enumerate(weights) if sum(k for _, k in weights[:i + 1]) > x)
        movies = [m for m in self.movies if genre in m[1]]
        movie, genres = movies[w[2] * len(movies) >> 64]
        affinity = sum(k for g, k in weights if g in genres)
        half_stars = 1 + sum(below <= w[3] >> 33 for below in self.below[affinity][:9])
        time = START + n * 1000 // rate
        return '{"userId":%d,"movieId":%d,"rating":%.1f,"timestamp":%d}\n' % (user + 1, movie, half_stars / 2, time)


def output_of(main, argv):
    """Returns a script's exit status and standard output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(argv)
        except SystemExit as e:
            status = e.code
    return status or 0, out.getvalue()


class Philox(unittest.TestCase):
    # Random123, tests/kat_vectors, philox4x64 10: the vector of zeros.
    ZERO = (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)

    def test_known_answer(self):
        self.assertEqual(tuple(int(w[0]) for w in reference.philox(0, 0, 0, 1)), self.ZERO)

    def test_equals_numpy(self):
        for seed, lane, first in (0, 0, 0), (42, 1, 0), (2**64 - 1, 1, 12345), (7, 3, 2**53 - 1000), (1, 2**64 - 1, 2**64 - 1000):
            got = reference.philox(seed, lane, first, 1000)
            self.assertTrue(np.array_equal(got, reference.numpy_philox(seed, lane, first, 1000)), (seed, lane, first))

    def test_a_wrong_round_count_is_noticed(self):
        with mock.patch.object(reference, "ROUNDS", 9):
            got = reference.philox(42, 1, 0, 10)
        self.assertFalse(np.array_equal(got, reference.numpy_philox(42, 1, 0, 10)))

    def test_high_product(self):
        edges = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 0xD2E7470EE14C6C93]
        values = edges + [random.Random(1).getrandbits(64) for _ in range(100)]
        for b in values:
            got = reference.high_product(np.array(values, np.uint64), np.array([b], np.uint64))
            self.assertEqual(got.tolist(), [a * b >> 64 for a in values], b)


class Reference(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.world = World(self.folder)

    def rows(self, *more):
        status, out = output_of(reference.main, self.world.arguments(*more))
        self.assertEqual(status, 0, status)
        return out.splitlines(keepends=True)

    def test_rows_equal_those_of_plain_integers(self):
        for seed, first, rate in (42, 0, "50"), (2**64 - 1, 2**32 - 100, "1/3"), (7, 65_500, "0.7"):
            got = self.rows("--seed", str(seed), "--from", str(first), "--count", "200", "--rate", rate)
            self.assertEqual(got, [self.world.row(seed, n, Fraction(rate)) for n in range(first, first + 200)])

    def test_any_split_is_the_whole(self):
        whole = self.rows("--count", "500")
        self.assertEqual(self.rows("--count", "123") + self.rows("--from", "123", "--count", "377"), whole)
        with mock.patch.object(reference, "CHUNK", 64):
            self.assertEqual(self.rows("--count", "500"), whole)

    def test_every_input_counts(self):
        plain = self.rows("--count", "500")
        for altered in ["--seed", "43"], ["--from", "1"], ["--rate", "51"], ["--start", "2025-01-01T00:00:00.001Z"]:
            self.assertNotEqual(self.rows("--count", "500", *altered), plain, altered)

    def test_start(self):
        for text, want in (("2025-01-01T00:00:00Z", START), ("2025-01-01", START), (str(START), START),
                           ("2025-01-01T01:00:00.5+01:00", START + 500), ("1969-12-31T23:59:59.999Z", -1)):
            self.assertEqual(reference.parse_start(text), want, text)

    def test_rate(self):
        for text, want in ("50", 50), ("0.5", Fraction(1, 2)), ("1/3", Fraction(1, 3)), ("90/m", Fraction(3, 2)), ("5/d", Fraction(5, 86400)):
            self.assertEqual(reference.parse_rate(text), want, text)

    def test_summary_is_that_of_the_rows(self):
        rows = [json.loads(row) for row in self.rows("--count", "500")]
        summary = json.loads(self.rows("--count", "500", "--summary")[0])
        self.assertEqual(summary["count"], 500)
        self.assertEqual(summary["sum_user"], sum(row["userId"] for row in rows))
        self.assertEqual(summary["avg_rating"], sum(row["rating"] for row in rows) / 500)
        self.assertEqual(summary["max_timestamp"], rows[-1]["timestamp"])

    def test_bad_files_are_named(self):
        users, movies, model = self.world.files
        for path, old, new, want in (
                (users, "userId", "user", "header"), (users, "\r\n2,", "\r\n3,", "userId 3 follows 1"),
                (users, "Drama", "Western", "no movie has the genre"), (movies, "\r\n4,", "\r\n1,", "does not ascend"),
                (model, "0.0,0.5,", "0.0,0.6,", "rating 0.6"), (model, f",{2**31}", ",5", "do not ascend")):
            text = pathlib.Path(path).read_text(encoding="utf-8")
            self.assertIn(old, text.replace("\n", "\r\n"))
            pathlib.Path(path).write_text(text.replace("\n", "\r\n").replace(old, new), encoding="utf-8", newline="")
            status, out = output_of(reference.main, self.world.arguments("--count", "1"))
            pathlib.Path(path).write_text(text, encoding="utf-8")
            self.assertIn(want, str(status))
            self.assertEqual(out, "")


class Simulate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        rng = random.Random(3)
        names = [f"genre {i}" for i in range(19)]
        cls.movies = write_csv(cls.folder / "movies.csv", ["movieId", "title", "genres"], [
            (i + 1, TITLES[i % 5], "|".join(rng.sample(names, rng.choice([1, 1, 1, 2, 2, 3])))) for i in range(2000)])
        cls.size = ["--events", "4000000", "--users", "1000000"]
        cls.shares = str(cls.folder / "shares.json")
        pathlib.Path(cls.shares).write_text(output_of(simulate.main, [cls.movies, *cls.size])[1])

    def compare(self, *more):
        status, out = output_of(simulate.main, [self.movies, *self.size, "--seed", "2", "--compare", self.shares, *more])
        return status, json.loads(out)

    def test_another_seed_is_close(self):
        status, report = self.compare()
        self.assertEqual(status, 0)
        self.assertLess(report["tv"], 0.0012)

    def test_mutants_are_noticed(self):
        for mutant in (["--noise", "0.25"], ["--alpha", "0.6"], ["--top-k", "2"], ["--rounding", "floor"],
                       ["--no-clamp"], ["--no-renormalise"]):
            self.assertEqual(self.compare(*mutant)[0], 1, mutant)

    def test_forms_of_shares(self):
        events = [{"rating": 0.5}, {"rating": 3.0}, {"rating": 3.0}, {"rating": 5.0}]
        forms = {
            "a.json": '{"0.5": 25, "3.0": 50, "5.0": 25}', "b.json": "[0.25, 0, 0, 0, 0, 0.5, 0, 0, 0, 0.25]",
            "c.json": '{"shares": {"0.5": 0.25, "3": 0.5, "5.0": 0.25}}',
            "d.jsonl": "".join(json.dumps(e) + "\n" for e in events), "e.csv": "userId,rating\n1,0.5\n1,3.0\n2,3.0\n2,5.0\n",
        }
        for name, text in forms.items():
            path = self.folder / name
            path.write_text(text)
            shares = {r: s for r, s in simulate.shares_of(simulate.read_weights(str(path))).items() if s}
            self.assertEqual(shares, {0.5: 0.25, 3.0: 0.5, 5.0: 0.25}, name)


class ReadBack(unittest.TestCase):
    READERS = ["--readers", "pyarrow,duckdb,pandas"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        world = World(self.folder)
        arguments = world.arguments("--count", "1000")
        self.rows = [json.loads(row) for row in output_of(reference.main, arguments)[1].splitlines()]
        self.expected = output_of(reference.main, arguments + ["--summary"])[1]

    def write(self, form, rows, segment=100):
        folder = self.folder / form
        folder.mkdir()
        for first in range(0, len(rows), segment):
            path, part = folder / f"part-{first // segment:010d}.{form}", rows[first:first + segment]
            if form == "jsonl":
                path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in part))
            elif form == "csv":
                write_csv(path, part[0].keys(), [row.values() for row in part])
            else:
                pa.parquet.write_table(pa.Table.from_pylist(part), path)
        for name in "_gen.json", "_manifest.json", f".part-0000000099.{form}":
            (folder / name).write_text('{"not": "data"')
        (folder / "_SUCCESS").touch()
        return str(folder)

    def test_every_format(self):
        for form in read_back.FORMATS:
            status, out = output_of(read_back.main, [self.write(form, self.rows), form, self.expected, *self.READERS])
            self.assertEqual(status, 0, form)
            self.assertEqual(set(json.loads(out)), {"pyarrow", "duckdb", "pandas"})

    def test_an_altered_value_is_noticed(self):
        for i, (column, value) in enumerate((("userId", 7777), ("movieId", 7777), ("rating", 9.5), ("timestamp", START + 10**9))):
            rows = [dict(row) for row in self.rows]
            rows[500][column] = value
            for form in read_back.FORMATS:
                folder = self.write(form, rows)
                os.rename(folder, folder + str(i))
                status, _ = output_of(read_back.main, [folder + str(i), form, self.expected, *self.READERS])
                self.assertEqual(status, 1, (form, column))

    def test_a_growing_directory(self):
        folder = self.write("jsonl", self.rows[:700])
        for count, segment, want in (700, 100, 0), (300, 100, 0), (800, 100, 1), (700, 300, 1):
            status, _ = output_of(read_back.main, [
                folder, "jsonl", json.dumps({"count": count}), "--at-least", "--segment", str(segment), *self.READERS])
            self.assertEqual(status, want, (count, segment))

    def test_while_a_command_writes(self):
        source, target = self.write("jsonl", self.rows), str(self.folder / "target")
        copy = ("import os, shutil, sys, time\n"
                "os.mkdir(sys.argv[2])\n"
                "for name in sorted(os.listdir(sys.argv[1])):\n"
                "    time.sleep(0.1)\n"
                "    shutil.copy(f'{sys.argv[1]}/{name}', f'{sys.argv[2]}/.{name}')\n"
                "    os.rename(f'{sys.argv[2]}/.{name}', f'{sys.argv[2]}/{name}')\n")
        status, out = output_of(read_back.main, [
            target, "jsonl", self.expected, *self.READERS, "--at-least", "--segment", "100", "--", sys.executable, "-c", copy, source, target])
        self.assertEqual(status, 0)
        self.assertGreater(json.loads(out)["partial"], 0)


if __name__ == "__main__":
    unittest.main()
