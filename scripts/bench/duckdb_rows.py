#!/usr/bin/env python3
"""Writes random rows of the four columns by DuckDB: duckdb_rows.py COUNT csv|parquet FILE.

They follow no formula: this is what writing alone costs.
"""

import sys

import duckdb

count, kind, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
duckdb.execute("SET preserve_insertion_order = false")
duckdb.execute(f"""
COPY (
    SELECT (1 + floor(random() * 10000))::INTEGER AS "userId",
           (1 + floor(random() * 131262))::INTEGER AS "movieId",
           (1 + floor(random() * 10)) / 2 AS rating,
           1735689600000 + 20 * range AS timestamp
    FROM range({count})
) TO '{path}' (FORMAT {kind})""")
