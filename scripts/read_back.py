#!/usr/bin/env python3
"""Reads a directory of segments as its users do, and compares the totals.

    read_back.py DIR jsonl|csv|parquet EXPECTED_JSON
    read_back.py --at-least --segment 500 DIR jsonl EXPECTED_JSON -- gen stream ...

Spark and pyarrow are given the directory as it is, so that they must ignore
by themselves what begins with "_" or "."; DuckDB and pandas the pattern that
one writes, DIR/part-*.FORMAT. One JSON object on standard output shows the
totals of each reader. The exit status is 1 when a reader fails, when two
readers differ, or when one differs from EXPECTED_JSON: a file, or the text,
with any of the keys count, sum_user, sum_movie, avg_rating, histogram,
min_timestamp, max_timestamp.

With --at-least a directory may still grow: its count may pass that of
EXPECTED_JSON, never shrinks, and is a multiple of --segment. With a command
after "--" it is read again and again while the command writes it, and once
more after its end, then against EXPECTED_JSON exactly.
"""

import argparse
import contextlib
import glob
import json
import os
import subprocess
import sys
import time

import local_spark

COLUMNS = {"userId", "movieId", "rating", "timestamp"}
PARQUET = [("userId", "int"), ("movieId", "int"), ("rating", "double"), ("timestamp", "bigint")]  # as Spark names them
FORMATS = ("jsonl", "csv", "parquet")
TOTALS = ("count", "sum_user", "sum_movie", "avg_rating", "histogram", "min_timestamp", "max_timestamp")


class Finding(Exception):
    """The directory does not hold what was expected."""


def check_columns(columns):
    if set(columns) != COLUMNS:
        raise Finding(f"columns {sorted(columns)}")


# A reader yields a tuple for each rating: (rating, count, sum of userId, sum
# of movieId, first timestamp, last timestamp). Types are inferred wherever
# the reader can: that is how people use it.


def read_spark(spark, folder, form):
    from pyspark.sql import functions as F
    if form == "jsonl":
        table = spark.read.json(folder)
    elif form == "csv":
        table = spark.read.csv(folder, header=True, inferSchema=True)
    else:
        table = spark.read.parquet(folder)
        if table.dtypes != PARQUET:
            raise Finding(f"schema {table.dtypes}")
    check_columns(table.columns)
    totals = table.groupBy("rating").agg(
        F.count("*"), F.sum("userId"), F.sum("movieId"), F.min("timestamp"), F.max("timestamp"))
    return [tuple(row) for row in totals.collect()]


def read_pyarrow(_, folder, form):
    import pyarrow.dataset
    dataset = pyarrow.dataset.dataset(folder, format="json" if form == "jsonl" else form)
    # With more than one JSON file ahead pyarrow 21 to 26 waits for itself for
    # ever (duckdb/duckdb#17704 meets it too): five files of 1 MB are enough.
    table = dataset.to_table(fragment_readahead=1) if form == "jsonl" else dataset.to_table()
    check_columns(table.column_names)
    totals = table.group_by("rating").aggregate([
        ([], "count_all"), ("userId", "sum"), ("movieId", "sum"), ("timestamp", "min"), ("timestamp", "max")])
    names = ("rating", "count_all", "userId_sum", "movieId_sum", "timestamp_min", "timestamp_max")
    return list(zip(*(totals[name].to_pylist() for name in names)))


def read_duckdb(_, folder, form):
    import duckdb
    read = {"jsonl": "read_json_auto", "csv": "read_csv_auto", "parquet": "read_parquet"}[form]
    table = duckdb.sql(f"FROM {read}($files)", params={"files": f"{folder}/part-*.{form}"})
    check_columns(table.columns)
    return table.aggregate(
        'rating, count(*), sum("userId")::BIGINT, sum("movieId")::BIGINT, min("timestamp"), max("timestamp")').fetchall()


def read_pandas(_, folder, form):
    import pandas
    read = {
        "jsonl": lambda path: pandas.read_json(path, lines=True, convert_dates=False, engine="pyarrow"),
        "csv": pandas.read_csv,
        "parquet": pandas.read_parquet,
    }[form]
    table = pandas.concat([read(path) for path in sorted(glob.glob(f"{glob.escape(folder)}/part-*.{form}"))])
    check_columns(table.columns)
    totals = table.groupby("rating").agg(
        count=("userId", "size"), users=("userId", "sum"), movies=("movieId", "sum"),
        first=("timestamp", "min"), last=("timestamp", "max"))
    return list(totals.itertuples(name=None))


READERS = {"spark": read_spark, "pyarrow": read_pyarrow, "duckdb": read_duckdb, "pandas": read_pandas}


def totals_of(rows):
    """Sums the tuples of a reader up. A histogram's keys are as in the files."""
    if not rows:
        return {"count": 0}
    if None in {value for row in rows for value in row}:
        raise Finding("a row lacks a value")
    ratings, counts, users, movies, first, last = zip(*sorted(rows))
    count = sum(counts)
    return dict(zip(TOTALS, (
        int(count), int(sum(users)), int(sum(movies)), sum(float(r) * int(n) for r, n in zip(ratings, counts)) / count,
        {f"{float(r):.1f}": int(n) for r, n in zip(ratings, counts)}, int(min(first)), int(max(last)))))


def compare(name, got, want):
    """Raises Finding for the first total of got that is not as in want."""
    for key, value in want.items():
        found = got.get(key)
        # An expected average may have been rounded for people.
        near = key == "avg_rating" and found is not None and abs(found - value) < 1e-9
        if found != value and not near:
            raise Finding(f"{name}: {key} is {found}, not {value}")


def read_all(options, spark, least):
    """Reads the directory with every reader, in turn; returns their totals.

    least is None, or the count that no reader may fall below. The directory
    may grow between two readers, so that the later ones see at least as much.
    """
    seen = {}
    for name in options.readers:
        try:
            totals = totals_of(READERS[name](spark, options.folder, options.format))
        except Finding as e:
            raise Finding(f"{name}: {e}") from None
        except Exception as e:  # every library has its own; any of them is a finding
            raise Finding(f"{name} cannot read {options.folder}: {local_spark.reason(e)}") from e
        if least is None:
            compare(name, totals, options.expected)
            compare(name, totals, next(iter(seen.values()), totals))
        elif totals["count"] < least or totals["count"] % options.segment:
            raise Finding(f"{name}: {totals['count']} events, not whole segments of {options.segment} from {least} on")
        else:
            least = totals["count"]
        seen[name] = totals
    return seen


def read_during(options, spark):
    """Runs the command and reads what it has written so far until it ends."""
    counts, least = [], 0
    command = subprocess.Popen(options.command, stdout=subprocess.DEVNULL)
    try:
        while command.poll() is None:
            if not glob.glob(f"{glob.escape(options.folder)}/part-*"):
                time.sleep(0.01)
                continue
            seen = [t["count"] for t in read_all(options, spark, least).values()]
            counts, least = counts + seen, seen[-1]
    finally:
        if command.poll() is None:
            command.terminate()
        command.wait()
    if command.returncode:
        raise Finding(f"{options.command[0]} ended with status {command.returncode}")
    final = read_all(options, spark, None)
    whole = next(iter(final.values()))["count"]
    return {"readings": len(counts), "partial": sum(count < whole for count in counts), **final}


def parse_expected(text):
    if not text.lstrip().startswith("{"):
        with open(text, encoding="utf-8") as f:
            text = f.read()
    expected = json.loads(text)
    if unknown := set(expected) - set(TOTALS):
        raise ValueError(f"unknown keys {sorted(unknown)}; there are {list(TOTALS)}")
    return expected


def parse_options(argv):
    argv = sys.argv[1:] if argv is None else argv
    cut = argv.index("--") if "--" in argv else len(argv)
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", metavar="DIR")
    p.add_argument("format", choices=FORMATS)
    p.add_argument("expected", metavar="EXPECTED_JSON")
    p.add_argument("--readers", default=",".join(READERS), help="comma-separated (default %(default)s)")
    p.add_argument("--at-least", action="store_true", help="the directory may still grow")
    p.add_argument("--segment", type=int, default=1, metavar="N", help="with --at-least: events of a segment")
    options = p.parse_args(argv[:cut])
    options.command = argv[cut + 1:]
    options.readers = options.readers.split(",")
    if unknown := set(options.readers) - set(READERS):
        p.error(f"unknown readers {sorted(unknown)}; there are {list(READERS)}")
    if options.command and not options.at_least:
        p.error("a command needs --at-least")
    if options.segment < 1:
        p.error("--segment must be at least 1")
    try:
        options.expected = parse_expected(options.expected)
    except (OSError, ValueError) as e:
        p.error(f"EXPECTED_JSON: {e}")
    return options


def main(argv=None):
    options = parse_options(argv)
    with contextlib.ExitStack() as stack:
        spark = None
        if "spark" in options.readers:
            spark = stack.enter_context(local_spark.session("read back"))
        try:
            if options.command:
                seen = read_during(options, spark)
            else:
                seen = read_all(options, spark, options.expected.get("count", 0) if options.at_least else None)
        except Finding as e:
            print(f"read_back.py: {e}", file=sys.stderr)
            return 1
    print(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
