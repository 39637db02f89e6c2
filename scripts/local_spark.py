"""A Spark of one process for the scripts: on loopback alone, quiet, 1 GB."""

import contextlib
import os
import pathlib
import sys
import tempfile

from pyspark.sql import SparkSession

# Errors reach Python as exceptions, so that only fatal lines are left to print.
# The level must be Spark's own default all the same: it announces another one.
QUIET = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %m%n
appender.stderr.filter.level.type = ThresholdFilter
appender.stderr.filter.level.level = fatal
"""


@contextlib.contextmanager
def session(name, jars=""):
    """Starts Spark with more jars, paths with commas, and stops it; its working files go with it."""
    for other in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        os.environ.pop(other, None)  # else another installation or its settings are used
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    with tempfile.TemporaryDirectory(prefix="gen-spark-") as work:
        log = pathlib.Path(work, "log4j2.properties")
        log.write_text(QUIET)
        settings = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log} -Djava.io.tmpdir={work}",
            "spark.local.dir": work,
            "spark.sql.warehouse.dir": f"{work}/warehouse",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.jars": jars,
        }
        builder = SparkSession.builder.master("local[2]").appName(name)
        for key, value in settings.items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()


def reason(error):
    """Returns why an error came about, in one line: Spark's messages run to pages."""
    text, cause = str(error), getattr(error, "java_exception", None)
    while cause is not None:
        text, cause = cause.getMessage() or text, cause.getCause()
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
