#!/usr/bin/env python3
"""Consumes a topic of ratings with Spark Structured Streaming, as phase 8 does.

    consume_ratings.py BOOTSTRAP --checkpoint DIR [--topic ratings] [--most N]
    consume_ratings.py BOOTSTRAP --checkpoint DIR --every 5

It reads committed records only, from the earliest on, and goes on where the
checkpoint stands. Without --every it takes what there is, in batches of at most
--most records, and ends; with it, it looks for new records so often, in seconds,
until SIGINT or SIGTERM. Each batch is a line on standard error. The totals of
this invocation are one JSON object on standard output: those of read_back.py,
and users (how many there are), null_keys, wrong_keys (not the decimal userId)
and malformed (no such event), which counts nowhere else.

"$(scripts/venv.sh)" runs it; scripts/spark/jars.sh fetches what Spark needs.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import local_spark  # noqa: E402
import read_back  # noqa: E402

EVENT = T.StructType([
    T.StructField("userId", T.IntegerType()),
    T.StructField("movieId", T.IntegerType()),
    T.StructField("rating", T.DoubleType()),
    T.StructField("timestamp", T.LongType()),
    T.StructField("malformed", T.StringType()),  # the text, when it is no such object
])


class Totals:
    """What the batches of this invocation held."""

    def __init__(self):
        self.rows = {}  # by rating: as a reader of read_back.py yields them
        self.users = set()
        self.null_keys = self.wrong_keys = self.malformed = 0

    def add(self, batch, number):
        """Counts a batch. A batch that Spark tries anew was not counted before: its failure ends the query."""
        before = self.count()
        for row in summarise(batch).collect():
            self.null_keys += row.null_keys
            self.wrong_keys += row.wrong_keys
            if row.malformed:
                self.malformed += row.records
                continue
            self.users.update(row.users)
            _, count, users, movies, first, last = self.rows.get(row.rating, (0, 0, 0, 0, row.first, row.last))
            self.rows[row.rating] = (row.rating, count + row.records, users + row.sum_user, movies + row.sum_movie,
                                     min(first, row.first), max(last, row.last))
        print(f"consume_ratings.py: batch {number}: {self.count() - before} records, {self.count()} in all",
              file=sys.stderr, flush=True)

    def count(self):
        return sum(row[1] for row in self.rows.values()) + self.malformed

    def report(self):
        return read_back.totals_of(list(self.rows.values())) | {
            "users": len(self.users), "null_keys": self.null_keys, "wrong_keys": self.wrong_keys, "malformed": self.malformed}


def summarise(batch):
    """Groups a batch of records by rating, all the malformed ones apart."""
    parsed = F.from_json(F.col("value").cast("string"), EVENT, {"columnNameOfCorruptRecord": "malformed"})
    rows = batch.select(F.col("key").cast("string"), parsed.alias("event")).select("key", "event.*")
    lacking = F.greatest(*(F.col(name).isNull() for name in ("userId", "movieId", "rating", "timestamp")))
    rows = rows.withColumn("malformed", F.col("malformed").isNotNull() | lacking)
    rows = rows.withColumn("rating", F.when(~F.col("malformed"), F.col("rating")))
    return rows.groupBy("malformed", "rating").agg(
        F.count("*").alias("records"), F.sum("userId").alias("sum_user"), F.sum("movieId").alias("sum_movie"),
        F.min("timestamp").alias("first"), F.max("timestamp").alias("last"), F.collect_set("userId").alias("users"),
        F.count_if(F.col("key").isNull()).alias("null_keys"),
        F.count_if(F.col("key") != F.col("userId").cast("string")).alias("wrong_keys"))


def consume(spark, options, totals):
    """Runs the query to its end, or to the end of the batch in which a signal comes."""
    source = spark.readStream.format("kafka").options(**{
        "kafka.bootstrap.servers": options.bootstrap, "subscribe": options.topic, "startingOffsets": "earliest",
        "kafka.isolation.level": "read_committed"})
    if options.most:
        source = source.option("maxOffsetsPerTrigger", options.most)
    trigger = {"processingTime": f"{options.every} seconds"} if options.every else {"availableNow": True}
    query = source.load().writeStream.foreachBatch(totals.add).trigger(**trigger).option(
        "checkpointLocation", options.checkpoint).start()
    if options.every:
        # A batch that is cut off would be counted, and be taken again by the next invocation.
        stop = threading.Event()
        for number in signal.SIGINT, signal.SIGTERM:
            signal.signal(number, lambda *_: stop.set())
        while query.isActive and not (stop.wait(0.1) and not query.status["isTriggerActive"]):
            pass
        query.stop()
    query.awaitTermination()


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bootstrap", metavar="BOOTSTRAP", help="host:port[,host:port]")
    p.add_argument("--topic", default="ratings", help="(default %(default)s)")
    p.add_argument("--checkpoint", metavar="DIR", required=True, help="where Spark keeps how far it has come")
    p.add_argument("--most", type=int, metavar="N", help="offsets of a batch, over all partitions")
    p.add_argument("--every", type=float, metavar="SECONDS", help="go on, with a batch so often")
    options = p.parse_args(argv)
    options.checkpoint = os.path.abspath(options.checkpoint)
    jars = subprocess.run([HERE / "jars.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    totals = Totals()
    try:
        with local_spark.session("ratings", jars) as spark:
            consume(spark, options, totals)
    except (PySparkException, Py4JError) as e:
        sys.exit(f"consume_ratings.py: topic {options.topic} on {options.bootstrap}: {local_spark.reason(e)}")
    print(json.dumps(totals.report()))


if __name__ == "__main__":
    main()
