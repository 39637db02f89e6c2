#!/usr/bin/env python3
"""Tells whether each line of bench.py has written its events: valid.py TABLE DIR.

TABLE is what bench.py printed, DIR its --keep. Of all but the lines of pipe, files
and large there need only be figures. A row of ratings has the four columns, ids of
the catalogue's range and a rating in halves from 0.5 to 5; one of lineitem is counted
alone.
"""

import pathlib
import sys

import duckdb

import lines

GROUPS = ["pipe", "files", "large", "verify", "kafka", "read", "start"]
LINES = [line.name for group in GROUPS for line in lines.GROUPS[group]]
KEPT = [line.name for group in ("pipe", "files", "large") for line in lines.GROUPS[group] if line.into != "nothing"]
GOOD = """"userId" BETWEEN 1 AND 138493 AND "movieId" BETWEEN 1 AND 131262 AND rating BETWEEN 0.5 AND 5
    AND rating * 2 = floor(rating * 2) AND timestamp > 1700000000000"""


def relation(name, path):
    if name.endswith("parquet"):
        return f"read_parquet('{path}/*.parquet')" if path.is_dir() else f"read_parquet('{path}')"
    if name.endswith("csv"):
        return f"read_csv('{path}')"
    if name.startswith("tpchgen"):
        return f"read_csv('{path}', delim = '|', header = false)"
    if path.is_dir():
        path = path / "*.jsonl"
    packed = ", compression = 'zstd'" if name.endswith("zstd") else ""
    return f"read_json('{path}', format = 'newline_delimited'{packed})"


def check(name, cells, folder):
    """Returns what is wrong with a line, or None."""
    if len(cells) != 9:
        return "not run"
    if name not in KEPT:
        return None
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
