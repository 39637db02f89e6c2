#!/usr/bin/env python3
"""Runs a dump or a stream of gen in shards, on the executors of a Spark cluster.

    spark-submit --master spark://master:7077 --files gen,gen-state/snapshot.db \\
        scripts/spark/shards.py --shards 16 -- \\
        dump --count 1000000000 --format parquet --to hdfs://namenode:8020/data/ratings
    ... scripts/spark/shards.py --shards 6 -- \\
        stream --speed max --count 1000000000 --to kafka://kafka:9092/ratings

Each task runs `gen ... --shard I/SHARDS`. What executors need is shipped with the
job: the one static binary and the snapshot. Placement, retries and speculation are
Spark's. A shard that runs twice leaves one result: what it writes is a function of
its number, and the second of two that run at the same time is refused by gen and
waits here until the first has ended. A line of JSON for each shard, its summary, and
a last one with the totals go to standard output.
"""

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
# What gen says when another attempt of the same shard is still at work.
BUSY = ("another process writes into it", "is locked by another process", "another process moves the cursor", "another process has taken over the run")


def die_with_parent():
    """Has gen end when Spark kills the Python process of the task."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def attempt(command, shard):
    """Runs gen once. Returns its exit status and the last line of what it said, parsed."""
    run = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent, check=False)
    lines = run.stderr.strip().splitlines()
    try:
        return run.returncode, json.loads(lines[-1])
    except (IndexError, ValueError):
        return run.returncode, {"message": lines[-1] if lines else f"shard {shard} said nothing"}


def run_shard(shard, shards, arguments):
    """Delivers one shard, waiting for another attempt of it, and returns its summary."""
    from pyspark import SparkFiles

    with tempfile.TemporaryDirectory(prefix="gen-shard-") as state:
        os.symlink(SparkFiles.get("snapshot.db"), os.path.join(state, "snapshot.db"))
        gen = SparkFiles.get("gen")
        os.chmod(gen, 0o755)
        command = [gen, arguments[0], "--json", "--state", state, "--shard", f"{shard}/{shards}", *arguments[1:]]
        while True:
            status, said = attempt(command, shard)
            if status == 0:
                return {"shard": shard, **said}
            if not any(text in said.get("message", "") for text in BUSY):
                raise RuntimeError(f"shard {shard}: gen ended with status {status}: {said.get('message', said)}")
            time.sleep(2)


def parse_options(argv):
    if "--" not in argv:
        sys.exit("shards.py: the command of gen is missing: shards.py --shards N -- dump --count ...")
    at = argv.index("--")
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--shards", type=int, required=True, metavar="N", help="how many, each a task")
    options = p.parse_args(argv[:at])
    options.arguments = argv[at + 1:]
    if options.shards < 1 or options.arguments[:1] not in (["dump"], ["stream"]):
        p.error("want --shards 1 or more, and dump or stream behind --")
    return options


def main(argv):
    from pyspark.sql import SparkSession

    options = parse_options(argv)
    spark = SparkSession.builder.appName("gen shards").getOrCreate()
    shards, arguments = options.shards, options.arguments
    try:
        tasks = spark.sparkContext.parallelize(range(shards), shards)
        summaries = tasks.map(lambda shard: run_shard(shard, shards, arguments)).collect()
    finally:
        spark.stop()
    for summary in summaries:
        print(json.dumps(summary))
    print(json.dumps({"shards": shards, "events": sum(s.get("events", 0) for s in summaries), "seconds": max(s.get("seconds", 0) for s in summaries)}))


if __name__ == "__main__":
    main(sys.argv[1:])
