"""The lines of bench.py: what is run, how much of it, and beside which line of gen it stands."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
ROWS_OF_LINEITEM = 6_001_215  # at scale factor 1
SKIPPED = 10  # seconds of the group spark, while a producer starts


@dataclasses.dataclass(frozen=True)
class Line:
    name: str
    # The command of a Bench, for so many events, and a path that it may make.
    command: Callable
    into: str = "pipe"  # or file, topic, nothing
    beside: str | None = None
    part: float = 1  # of --count
    python: bool = False  # needs the packages of requirements.txt
    paced: bool = False  # at --rate
    watch: Callable = lambda bench: []  # arguments of measure

    def events(self, options):
        if self.paced:
            return options.rate * (options.seconds + SKIPPED)
        return max(1, int(options.count * self.part))


def dump(*arguments):
    return lambda b, n, out: ["./gen", "dump", "--quiet", "--count", n, *arguments]


def dump_null(form):
    return lambda b, n, out: ["sh", "-c", f"exec ./gen dump --quiet --count {n} --format {form} >/dev/null"]


def dump_to(form, *arguments):
    return lambda b, n, out: ["./gen", "dump", "--quiet", "--count", n, "--format", form, "--to", out, *arguments]


def rows(*arguments):
    return lambda b, n, out: [b.python, HERE / "rows.py", "users.csv", "movies.csv", n, *arguments]


def rows_kafka(*arguments):
    return lambda b, n, out: [*rows(*arguments)(b, n, out), "--kafka", b.bootstrap, b.topic]


def shell(command):
    return lambda b, n, out: ["sh", "-c", command, "sh", out]


def ten_times(copy):
    """Copies into a directory, file by file; what is copied stays in the page cache."""
    return shell(f'mkdir "$1" && for i in 0 1 2 3 4 5 6 7 8 9; do {copy} && sync "$1/$i.jsonl" || exit; done')


def duckdb(form, path=None):
    return lambda b, n, out: [b.python, HERE / "duckdb_rows.py", n, form, path or out]


def scale(n):
    return f"{n / ROWS_OF_LINEITEM:.6f}"


def stream(*arguments):
    return lambda b, n, out: ["./gen", "stream", "--quiet", "--to", f"kafka://{b.bootstrap}/{b.topic}", "--count", n, *arguments]


def paced_stream(b, n, out):
    return stream("--start", "now", "--rate", b.options.rate)(b, n, out)


def java(b, name):
    """A class of Kafka's with the options of Kafka's own scripts."""
    return [f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else "java",
            "-Xmx512m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent", f"-Dlog4j2.configurationFile={HERE.parent / 'kafka/log4j2.properties'}",
            "-cp", f"{b.libs}/*", f"org.apache.kafka.tools.{name}", "--bootstrap-server", b.bootstrap]


def perf_test(*properties):
    return lambda b, n, out: [*java(b, "ProducerPerformance"), "--topic", b.topic, "--throughput", "-1", "--payload-file", "rows.jsonl",
                              "--num-records", n, "--command-property", "acks=all", *properties]


BEST = ["compression.type=lz4", "batch.size=262144", "linger.ms=20"]


def plain(per):
    return lambda b, n, out: ["./plain", "-brokers", b.bootstrap, "-topic", b.topic, "-count", n, "-per", per, "rows.jsonl"]


def spark_submit(b, *arguments):
    return ["env", f"PYSPARK_PYTHON={b.python}", "SPARK_LOCAL_IP=127.0.0.1", b.program("spark-submit"), "--master", "local[2]",
            "--driver-memory", "1g", "--conf", "spark.ui.enabled=false", *arguments]


def spark_job(b, n, out):
    return spark_submit(b, "--jars", b.jars, "--py-files", HERE / "formulas.py", HERE / "spark_ratings.py", "users.csv", "movies.csv",
                        b.bootstrap, b.topic, b.options.rate, os.path.abspath(f"checkpoint-{b.topic}"))


def spark_shards(b, n, out):
    return spark_submit(b, "--files", "gen,gen-state/snapshot.db", HERE.parent / "spark" / "shards.py", "--shards", 2, "--",
                        *stream("--speed", "max")(b, n, out)[1:])


def delays(b):
    return ["-delays", "-skip", b.options.rate * SKIPPED]


GROUPS = {
    "pipe": [
        Line("gen-jsonl-null", dump_null("jsonl"), into="nothing"),
        Line("gen-csv-null", dump_null("csv"), into="nothing"),
        Line("gen-jsonl", dump()),
        Line("gen-jsonl-1-worker", dump("--workers", 1)),
        Line("gen-csv", dump("--format", "csv")),
        Line("gen-jsonl-zstd", dump("--compress", "zstd")),
        Line("copy", shell("cat same.jsonl | cat"), beside="gen-jsonl"),
        Line("python-row", rows(), beside="gen-jsonl", part=1 / 200, python=True),
        Line("python-numpy", rows("--vectorised"), beside="gen-jsonl", part=1 / 8, python=True),
        Line("duckdb-csv", duckdb("csv", "/dev/stdout"), beside="gen-csv", part=1 / 4, python=True),
        Line("tpchgen-text", lambda b, n, out: [b.program("tpchgen-cli"), "--scale-factor", scale(n), "--tables", "lineitem", "--stdout"],
             beside="gen-jsonl", part=1 / 2, python=True),
    ],
    "files": [
        Line("gen-jsonl-file", dump_to("jsonl"), into="file"),
        Line("copy-file", shell('cat same.jsonl >"$1" && sync "$1"'), into="file", beside="gen-jsonl-file"),
        Line("gen-parquet", dump_to("parquet"), into="file"),
        Line("duckdb-parquet", duckdb("parquet"), into="file", beside="gen-parquet", part=1 / 2, python=True),
        Line("tpchgen-parquet", lambda b, n, out: [b.program("tpchgen-cli"), "parquet", "--scale-factor", scale(n), "--tables", "lineitem", "--output-dir", out],
             into="file", beside="gen-parquet", part=1 / 2, python=True),
    ],
    "large": [
        Line("gen-jsonl-large", dump_to("jsonl"), into="file", part=10),
        Line("copy-large", ten_times('cat same.jsonl >"$1/$i.jsonl"'), into="file", beside="gen-jsonl-large", part=10),
        Line("copy-large-direct", ten_times('dd if=same.jsonl of="$1/$i.jsonl" bs=1M oflag=direct status=none'),
             into="file", beside="gen-jsonl-large", part=10),
    ],
    "verify": [
        Line("verify-jsonl", lambda b, n, out: ["./gen", "verify", "--quiet", "jsonl"], into="nothing"),
        Line("read-jsonl", shell("cat jsonl/*.jsonl >/dev/null"), into="nothing", beside="verify-jsonl"),
        Line("verify-parquet", lambda b, n, out: ["./gen", "verify", "--quiet", "parquet"], into="nothing"),
    ],
    "kafka": [
        Line("gen-kafka", stream("--speed", "max"), into="topic"),
        Line("gen-kafka-2-producers", stream("--speed", "max", "--producers", 2), into="topic"),
        Line("perf-test", perf_test(), into="topic", beside="gen-kafka"),
        Line("perf-test-best", perf_test(*BEST), into="topic", beside="gen-kafka"),
        # A transaction of gen's is open for about as long.
        Line("perf-test-best-transactional", perf_test(*BEST, "--transaction-duration-ms", 100), into="topic", beside="gen-kafka"),
        Line("plain-franz-go-100000", plain(100_000), into="topic", beside="gen-kafka"),
        Line("plain-franz-go-10000", plain(10_000), into="topic", beside="gen-kafka", part=1 / 2),
        Line("python-kafka-row", rows_kafka(), into="topic", beside="gen-kafka", part=1 / 200, python=True),
        Line("python-kafka-numpy", rows_kafka("--vectorised"), into="topic", beside="gen-kafka", part=1 / 20, python=True),
    ],
    "read": [
        Line("verify-topic", lambda b, n, out: ["./gen", "verify", "--quiet", f"kafka://{b.bootstrap}/read"], into="nothing"),
        Line("verify-topic-no-header", lambda b, n, out: ["./gen", "verify", "--quiet", f"kafka://{b.bootstrap}/read-no-header"], into="nothing"),
        Line("consumer-perf-test", lambda b, n, out: [*java(b, "ConsumerPerformance"), "--topic", "read", "--num-records", n, "--hide-header",
                                                     "--command-property", "isolation.level=read_committed"],
             into="nothing", beside="verify-topic"),
    ],
    "spark": [
        Line("gen-kafka-paced", paced_stream, into="topic", paced=True, watch=delays),
        Line("spark-kafka", spark_job, into="topic", beside="gen-kafka-paced", python=True, paced=True, watch=lambda b: [*delays(b), "-stop"]),
        Line("gen-shards-by-spark", spark_shards, into="topic", python=True),
    ],
    "start": [
        Line("gen-snapshot", lambda b, n, out: ["./gen", "snapshot", "--quiet", "--state", out], part=0),
        Line("gen-first-event", lambda b, n, out: ["./gen", "stream", "--quiet", "--count", n], part=0),
        Line("python-first-event", rows(), part=0, python=True),
    ],
}
NAMED = {line.name: line for lines in GROUPS.values() for line in lines}
