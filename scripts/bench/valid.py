#!/usr/bin/env python3
"""Tells whether each line of peers.sh has written its events: valid.py TABLE DIR.

TABLE is what peers.sh printed, DIR its CHECK. A row of ratings has the four
columns, ids of the catalogue's range and a rating in halves from 0.5 to 5; one
of lineitem is counted alone.
"""

import pathlib
import sys

import duckdb

LINES = ["gen-jsonl", "gen-csv", "copy", "python-row", "python-numpy", "duckdb-csv", "tpchgen-text",
         "gen-parquet", "duckdb-parquet", "tpchgen-parquet"]
GOOD = """"userId" BETWEEN 1 AND 138493 AND "movieId" BETWEEN 1 AND 131262 AND rating BETWEEN 0.5 AND 5
    AND rating * 2 = floor(rating * 2) AND timestamp > 1700000000000"""


def relation(name, path):
    if name.endswith("parquet"):
        return f"read_parquet('{path}/*.parquet')" if path.is_dir() else f"read_parquet('{path}')"
    if name.endswith("csv"):
        return f"read_csv('{path}')"
    if name.startswith("tpchgen"):
        return f"read_csv('{path}', delim = '|', header = false)"
    return f"read_json('{path}', format = 'newline_delimited')"


def check(name, cells, folder):
    """Returns what is wrong with a line, or None."""
    if len(cells) != 8:
        return "not run"
    condition = "true" if name.startswith("tpchgen") else GOOD
    rows, good = duckdb.sql(f"SELECT count(*), count(*) FILTER ({condition}) FROM {relation(name, folder / name)}").fetchone()
    # The rows of lineitem follow from a scale factor.
    slack = 0.02 if name == "tpchgen-parquet" else 0
    if abs(rows - int(cells[1])) > slack * rows or good != rows or not rows:
        return f"{rows} rows, {good} of them valid, and not {cells[1]}"
    return None


def main():
    table, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if line.startswith("|")][2:]
    found = {row[0]: row for row in rows}
    wrong = [f"{name}: no line" for name in LINES if name not in found]
    for name in (name for name in LINES if name in found):
        try:
            reason = check(name, found[name], folder)
        except duckdb.Error as e:
            reason = str(e).splitlines()[0]
        if reason:
            wrong.append(f"{name}: {reason}")
    sys.exit("\n".join(f"valid.py: {w}" for w in wrong) if wrong else 0)


if __name__ == "__main__":
    main()
