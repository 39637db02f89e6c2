"""A Spark Structured Streaming job of the formulas, endless: rate source, Python UDF, Kafka sink.

The UDF is a vectorised one, the fastest that PySpark has. The time of an event is
that of its tick.

    spark-submit --jars JARS spark_ratings.py users.csv movies.csv BOOTSTRAP TOPIC RATE CHECKPOINT
"""

import sys

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import formulas

EVENT = "userId int, movieId int, rating double, timestamp bigint"


def main():
    users, movies, bootstrap, topic, rate, checkpoint = sys.argv[1:]
    spark = SparkSession.builder.appName("ratings").getOrCreate()
    tables = spark.sparkContext.broadcast(formulas.Tables(users, movies))

    @F.pandas_udf(EVENT)
    def event(tick: pd.Series) -> pd.DataFrame:
        *columns, _ = tables.value.batch(np.random.default_rng(), len(tick))
        columns.append(tick)
        return pd.DataFrame(dict(zip(("userId", "movieId", "rating", "timestamp"), columns)))

    ticks = spark.readStream.format("rate").option("rowsPerSecond", rate).option("numPartitions", 6).load()
    values = ticks.select(F.to_json(event(F.unix_millis("timestamp"))).alias("value"))
    values.writeStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", topic).option(
        "checkpointLocation", checkpoint).trigger(processingTime="1 second").start().awaitTermination()


if __name__ == "__main__":
    main()
