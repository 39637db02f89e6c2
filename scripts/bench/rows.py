#!/usr/bin/env python3
"""Writes ratings as JSON lines, or into Kafka with acks=all, as a user's script would.

    rows.py users.csv movies.csv COUNT [--vectorised] [--kafka BOOTSTRAP TOPIC]
"""

import argparse
import json
import random
import sys

import numpy as np

import formulas

CHUNK = 100_000
LINE = '{{"userId":{},"movieId":{},"rating":{},"timestamp":{}}}\n'


def by_row(tables, count):
    """Yields user and line of each event, made one at a time."""
    rng = random.Random(42)
    for _ in range(count):
        user, movie, rating, timestamp = tables.row(rng)
        event = {"userId": user, "movieId": movie, "rating": rating, "timestamp": timestamp}
        yield user, json.dumps(event, separators=(",", ":")) + "\n"


def by_chunk(tables, count):
    """Yields users and lines of many events at a time."""
    rng = np.random.default_rng(42)
    for begin in range(0, count, CHUNK):
        columns = [c.tolist() for c in tables.batch(rng, min(CHUNK, count - begin))]
        yield columns[0], list(map(LINE.format, *columns))


def produce(pairs, bootstrap, topic):
    from confluent_kafka import Producer

    failures = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 20, "partitioner": "murmur2_random",
                         "queue.buffering.max.messages": 1_000_000,
                         "on_delivery": lambda error, _: failures.append(error) if error else None})
    for user, line in pairs:
        while True:
            try:
                producer.produce(topic, line[:-1], str(user))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    if failures:
        sys.exit(f"rows.py: {len(failures)} records were not delivered: {failures[0]}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("users")
    p.add_argument("movies")
    p.add_argument("count", type=int)
    p.add_argument("--vectorised", action="store_true")
    p.add_argument("--kafka", nargs=2, metavar=("BOOTSTRAP", "TOPIC"))
    options = p.parse_args()
    tables = formulas.Tables(options.users, options.movies)
    if options.kafka:
        pairs = by_row(tables, options.count)
        if options.vectorised:
            pairs = (pair for chunk in by_chunk(tables, options.count) for pair in zip(*chunk))
        produce(pairs, *options.kafka)
    elif options.vectorised:
        for _, lines in by_chunk(tables, options.count):
            sys.stdout.write("".join(lines))
    else:
        for _, line in by_row(tables, options.count):
            sys.stdout.write(line)


if __name__ == "__main__":
    main()
