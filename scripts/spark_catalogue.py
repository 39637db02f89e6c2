#!/usr/bin/env python3
"""Writes a catalogue with Spark, in the files of the platform's phase 4.

    spark_catalogue.py MOVIES_CSV OUT_DIR

makes OUT_DIR/movies_features and OUT_DIR/genres_metadata: Parquet, snappy,
several part files, _SUCCESS and hidden .crc files. A movie without genres
carries the genre "Unknown", which genres_metadata does not list, and an empty
genres_array. The vectors are Spark ML's, sparse and dense ones mixed; tags
are invented from the movieId.
"""

import argparse
import json
import os
import pathlib
import sys

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql import types as T

import local_spark

NO_GENRES = "(no genres listed)"
UNKNOWN = "Unknown"
PART_FILES = 4
TAGS = 11
DENSE_FROM = 4  # values in a vector from which on it is written as a dense one

MOVIES = T.StructType([
    T.StructField("movieId", T.IntegerType()),
    T.StructField("title", T.StringType()),
    T.StructField("genres", T.StringType()),
])


def read_movies(spark, path):
    """Reads MovieLens' CSV: a quote inside a quoted title is doubled (RFC 4180)."""
    rows = spark.read.csv(path, schema=MOVIES, header=True, enforceSchema=False, mode="FAILFAST",
                          quote='"', escape='"', multiLine=True)
    listed = F.coalesce("genres", F.lit(""))
    listed = F.when(listed.isin("", NO_GENRES), UNKNOWN).otherwise(listed)
    return rows.select("movieId", F.coalesce("title", F.lit("")).alias("title"), listed.alias("genres"))


def vector(size, values):
    """Returns {index: value} as a Spark ML vector."""
    sparse = Vectors.sparse(size, values)
    return sparse if len(values) < DENSE_FROM else Vectors.dense(sparse.toArray())


def tag_relevances(movie):
    return {tag: (movie * 31 + tag * 17) % 97 / 97 for tag in range(movie % (TAGS + 1))}


@F.udf(VectorUDT())
def tags_vec(movie):
    return vector(TAGS, tag_relevances(movie))


@F.udf(T.DoubleType())
def avg_tag_relevance(movie):
    relevances = tag_relevances(movie).values()
    return sum(relevances) / len(relevances) if relevances else 0.0


def features(movies, genres):
    index = {genre: i for i, genre in enumerate(genres)}

    @F.udf(VectorUDT())
    def genres_vec(names):
        return vector(len(index), {index[name]: 1.0 for name in names})

    nothing = F.array().cast("array<string>")
    names = F.when(movies.genres == UNKNOWN, nothing).otherwise(F.split("genres", r"\|"))
    return movies.withColumn("genres_array", names).select(
        "movieId", "title", "genres", "genres_array",
        genres_vec("genres_array").alias("genres_vec"),
        tags_vec("movieId").alias("tags_vec"),
        F.size("genres_array").alias("n_genres"),
        (F.col("movieId") % (TAGS + 1)).cast("bigint").alias("n_tags"),
        avg_tag_relevance("movieId").alias("avg_tag_relevance"),
    )


def optional(spark, table):
    """Returns the table with columns that may be null, as of a table that Spark has read."""
    columns = [T.StructField(c.name, c.dataType, nullable=True) for c in table.schema]
    return spark.createDataFrame(table.rdd, T.StructType(columns))


def write(spark, source, out):
    """Writes both directories and returns their counts."""
    movies = read_movies(spark, source).cache()
    names = movies.filter(F.col("genres") != UNKNOWN).select(F.explode(F.split("genres", r"\|")).alias("genre"))
    genres = sorted(row.genre for row in names.distinct().collect())
    metadata = spark.createDataFrame(list(zip(genres, range(len(genres)))), "genre string, idx bigint")
    for table, name in (features(movies, genres), "movies_features"), (metadata, "genres_metadata"):
        optional(spark, table).repartition(PART_FILES).write.parquet(f"{out}/{name}", compression="snappy")
    return {"movies": movies.count(), "unlisted": movies.filter(movies.genres == UNKNOWN).count(), "genres": len(genres)}


def url(path):
    """Returns a path as a URL: with HADOOP_CONF_DIR a mere path is one in HDFS."""
    return path if "://" in path else pathlib.Path(path).absolute().as_uri()


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("movies", metavar="MOVIES_CSV", help="columns movieId, title, genres")
    p.add_argument("out", metavar="OUT_DIR", help="where both directories are made, also hdfs://host:port/path")
    options = p.parse_args(argv)
    if not os.path.isfile(options.movies):
        sys.exit(f"spark_catalogue.py: {options.movies}: no such file")
    try:
        with local_spark.session("catalogue") as spark:
            counts = write(spark, url(options.movies), url(options.out))
    except (PySparkException, Py4JJavaError, ValueError) as e:
        sys.exit(f"spark_catalogue.py: {options.movies}: {local_spark.reason(e)}")
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
