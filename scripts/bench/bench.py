#!/usr/bin/env python3
"""Measures gen beside what people use instead, in turns on this machine: one table of medians.

    scripts/bench/bench.py                            all groups; some 40 minutes on two cores
    scripts/bench/bench.py pipe files --rounds 5      of some groups
    scripts/bench/bench.py spark --rate 100000

Each round runs every line once, so that a slow minute of the machine falls on all of
them; ratios within the table say more than its figures. Groups:

    pipe     text through a pipe, read and dropped, and into /dev/null; copying the same
             text from a file is the limit
    files    into a directory, synced; copying the same text to the disk is the limit
    large    ten times as much, some 21 GB, so that the disk must take it: gen and a copy
             of ready text, through the page cache and past it
    verify   of those directories; reading the same bytes from the cache is the limit
    kafka    one broker, 6 partitions, acks=all, rows of one size. Only gen computes
             its rows in Go and is exactly once; perf-test sends 100,000 ready-made ones
             again and again, without keys. best is lz4, batches of 256 kB, linger 20 ms
    read     a topic's committed records: gen verify, and consumers that drop them
    spark    the Structured Streaming job of the formulas at --rate events a second, and
             gen at that rate; a delay runs from the time of an event until a
             read_committed consumer has it, without the first 10 s; and two shards of gen
             as fast as possible, as tasks of the same Spark
    start    what a start takes

A rate into a pipe or file counts the start of the program; into Kafka it runs from the
first records that stand committed to the last. RSS is that of all processes. --count is
the events of gen; slower peers make a part of them. The last column says how many times
faster the line of gen is that a line stands beside; tpchgen-cli, whose rows are others,
by bytes; the Spark job by its p99 delay.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import lines as catalogue

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parent


class Failure(Exception):
    """What ends the measurement, in one line."""


@dataclasses.dataclass
class Run:
    """One line of measure: seconds, kB and ms; None where it does not apply."""

    events: float
    bytes: float
    seconds: float
    cpu: float
    memory: float
    first: float
    p50: float
    p99: float


def output_of(*command):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Bench:
    """What the lines need: programs, files, a broker. Paths are relative to the working directory."""

    def __init__(self, options):
        self.options, self.topics, self.broker = options, 0, None
        self.bootstrap = self.libs = self.topic = self.jars = None
        self.python = self.fetched(SCRIPTS / "venv.sh", HERE / "requirements.txt")

    def fetched(self, *command):
        """Returns what a script that fetches something prints, None when it cannot be had."""
        try:
            return output_of(*command)
        except subprocess.CalledProcessError:
            return None

    def program(self, name):
        return str(pathlib.Path(self.python).parent / name)

    def prepare(self, groups):
        subprocess.run(["go", "build", "-o", os.getcwd(), "./cmd/gen", "./scripts/bench/measure", "./scripts/plain"],
                       cwd=SCRIPTS.parent, check=True)
        output_of("./gen", "snapshot", "--quiet")
        for table in "users", "movies":
            pathlib.Path(f"{table}.csv").write_text(output_of("./gen", "export", table, "--quiet") + "\n")
        self.dump("rows.jsonl", 100_000)
        if set(groups) & {"pipe", "files", "large", "verify"}:
            self.dump("same.jsonl", self.options.count)
        if "verify" in groups:
            for form in "jsonl", "parquet":
                output_of("./gen", "dump", "--quiet", "--count", self.options.count, "--format", form, "--to", form)
        if set(groups) & {"kafka", "read", "spark"}:
            self.start_broker()
        if "read" in groups:
            for topic, *more in ["read"], ["read-no-header", "--no-header"]:
                output_of("./gen", "stream", "--quiet", "--to", f"kafka://{self.bootstrap}/{topic}", "--speed", "max", "--count", self.options.count, *more)
        if "spark" in groups:
            self.jars = self.fetched(SCRIPTS / "spark" / "jars.sh")

    def dump(self, path, count):
        with open(path, "wb") as f:
            subprocess.run(["./gen", "dump", "--quiet", "--count", str(count)], stdout=f, check=True)

    def kafka(self, *arguments):
        return output_of(SCRIPTS / "kafka.sh", arguments[0], "kafka", *arguments[1:])

    def start_broker(self):
        self.broker = True
        self.bootstrap = self.kafka("start")
        env = dict(line.split("=", 1) for line in pathlib.Path("kafka/env").read_text().splitlines())
        self.libs = env["LIBS"].strip("'\"")
        for name in "gen-kafka", "perf-test-best":  # both are faster when the broker is warm
            self.measure(catalogue.NAMED[name], 1_000_000)

    def stop_broker(self):
        if self.broker:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.kafka("stop")

    def new_topic(self, name):
        self.kafka("tool", "topics", "--create", "--topic", name, "--partitions", "6")
        return name

    def can(self, line):
        return (self.python or not line.python) and (self.jars or line.name != "spark-kafka")

    def measure(self, line, events):
        """Runs a line once."""
        out = pathlib.Path(f"out-{line.name}")
        watch = []
        if line.into == "file":
            self.warm()
        if line.into == "topic":
            self.topics += 1
            self.topic = self.new_topic(f"ratings-{self.topics}")
            watch = ["-brokers", self.bootstrap, "-topic", self.topic, "-count", events, *line.watch(self)]
        command = list(map(str, ["./measure", *watch, "--", *line.command(self, events, out)]))
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            raise Failure(f"{line.name} did not work: {' '.join(command)}: {run.stderr[-1000:]}")
        values = [None if v == "-" else float(v) for v in run.stdout.split()]
        result = Run(*values[:8])
        self.complete(line, events, result, out)
        return result

    def warm(self):
        """Lets no line pay for another: for the memory that a virtual machine gave back to its
        host, which the first who writes waits for, and for the disk's work on what was removed."""
        shutil.copy("same.jsonl", "warm")
        os.unlink("warm")
        os.sync()

    def complete(self, line, events, result, out):
        """Completes a result with what measure does not see, and puts away what the line has made."""
        if line.into == "topic":
            if result.events < events:
                raise Failure(f"{line.name}: {result.events:.0f} of {events} records arrived")
            self.kafka("tool", "topics", "--delete", "--topic", self.topic)
        elif not (line.into == "pipe" and line.name.startswith("tpchgen")):  # whose number of rows follows from a scale
            result.events = events
        if line.into == "file":
            result.bytes = sum(p.stat().st_size for p in [out, *out.rglob("*")] if p.is_file())
        if line.into == "nothing":
            result.bytes = 0
        if line.into in ("file", "nothing"):
            result.first = None
        if self.options.keep and line.into in ("pipe", "file"):
            self.keep(line, events, out)
        if out.is_dir():
            shutil.rmtree(out)
        out.unlink(missing_ok=True)

    def keep(self, line, events, out):
        kept = pathlib.Path(self.options.keep) / line.name
        if out.is_dir():
            shutil.copytree(out, kept, dirs_exist_ok=True)
        elif out.exists():
            shutil.copy(out, kept)
        else:
            with kept.open("wb") as f:
                subprocess.run(list(map(str, line.command(self, events, out))), stdout=f, stderr=subprocess.DEVNULL, check=True)


def medians(runs):
    return Run(*(None if None in column else statistics.median_low(column) for column in zip(*map(dataclasses.astuple, runs))))


HEAD = """| what | events | M events/s | MB/s | CPU ns/event | peak RSS, MB | first event after, s | delay p50 / p99, ms | gen is faster by |
|---|---|---|---|---|---|---|---|---|"""


def row(line, runs):
    """Returns the row of a line of the table; runs has a list for each line."""
    if not runs[line.name]:
        return f"| {line.name} | not run |"
    m = medians(runs[line.name])
    cells = [line.name, f"{m.events:.0f}", f"{m.events / m.seconds / 1e6:.3f}", f"{m.bytes / m.seconds / 1e6:.0f}" if m.bytes else "-",
             f"{m.cpu * 1e9 / m.events:.0f}", f"{m.memory / 1024:.0f}", "-" if m.first is None else f"{m.first:.3f}",
             "-" if m.p50 is None else f"{m.p50:.0f} / {m.p99:.0f}", ratio(line, m, runs)]
    if m.events == 1:  # a start
        cells[2] = cells[4] = "-"
    return f"| {' | '.join(cells)} |"


def ratio(line, m, runs):
    """Tells how many times faster than a line the one of gen is that it stands beside."""
    if not line.beside:
        return "-"
    best = medians(runs[line.beside])
    if line.paced:
        return f"{m.p99 / best.p99:.1f} (p99)"
    if line.name.startswith("tpchgen"):
        return f"{best.bytes / best.seconds / (m.bytes / m.seconds):.2f} (bytes)"
    return f"{best.events / best.seconds / (m.events / m.seconds):.2f}"


def measure_all(options):
    bench = Bench(options)
    try:
        bench.prepare(options.groups)
        chosen = [line for group in options.groups for line in catalogue.GROUPS[group]]
        runs = {line.name: [] for line in chosen}
        for number in range(options.rounds):
            for line in filter(bench.can, chosen):
                print(f"bench.py: round {number + 1} of {options.rounds}: {line.name}", file=sys.stderr, flush=True)
                runs[line.name].append(bench.measure(line, line.events(options)))
    finally:
        bench.stop_broker()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds, medians, --count {options.count}\n\n{HEAD}")
    for line in chosen:
        print(row(line, runs))


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(catalogue.GROUPS))
    p.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    p.add_argument("--count", type=int, default=30_000_000, help="(default %(default)s)")
    p.add_argument("--rate", type=int, default=50_000, help="of the group spark (default %(default)s)")
    p.add_argument("--seconds", type=int, default=60, help="of the group spark (default %(default)s)")
    p.add_argument("--keep", metavar="DIR", help="keep what each line of pipe, files and large has written")
    options = p.parse_args(argv)
    options.groups = options.groups or list(catalogue.GROUPS)
    for group in options.groups:
        if group not in catalogue.GROUPS:
            p.error(f"unknown group {group}: {', '.join(catalogue.GROUPS)}")
    if options.rounds < 1 or options.count < 1000 or options.rate < 1 or options.seconds < 1:
        p.error("want --rounds, --rate and --seconds of 1 or more and --count of 1000 or more")
    if options.keep:
        options.keep = os.path.abspath(options.keep)
    with tempfile.TemporaryDirectory(prefix="gen-bench-") as work:
        os.chdir(work)
        try:
            measure_all(options)
        except Failure as e:
            sys.exit(f"bench.py: {e}")
        except subprocess.CalledProcessError as e:
            sys.exit(f"bench.py: {' '.join(map(str, e.cmd))} ended with status {e.returncode}")
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            os.chdir("/")


if __name__ == "__main__":
    main()
