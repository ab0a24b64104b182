"""Spark reads a sealed dataset when its owner hands over the data keys, and nothing without them.

What Spark brings has no client that takes keys as they are, so one of thirty lines is compiled here (`spark/`). polars
reads by the keys in `tests/unit/broker/sealed/test_sealed_vectors.py` and wherever a view is made.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_secure.broker.sealed.contents import former_parts
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.testing.sealed_data import SealedData

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).parent / "spark" / "GivenKeys.java"
TABLE = pa.table(
    {
        "name": ["Ann", "Bob", None],
        "age": [1, None, 3],
        "visits": [[1, 2], None, []],
        "home": [{"zip": "02134"}, None, {"zip": None}],
    }
)
READER = """
import json, sys
from pyspark.sql import SparkSession
path, classes, keys, columns = json.loads(sys.stdin.read())
settings = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraClassPath": classes,
    "spark.hadoop.parquet.crypto.factory.class": "org.apache.parquet.crypto.keytools.PropertiesDrivenCryptoFactory",
    "spark.hadoop.parquet.encryption.kms.client.class": "GivenKeys",
    "spark.hadoop.given.keys": keys,
}
session = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
for names in columns:
    try:
        found = [row.asDict(recursive=True) for row in session.read.parquet(path).select(*names).collect()]
    except Exception as error:
        found = "no key for" in str(error)
    print(json.dumps(found))
session.stop()
"""


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    compiler = shutil.which("javac")
    assert compiler, "a JDK is missing: make setup installs it"
    jars = Path(find_spec("pyspark").origin).parent / "jars" / "*"
    subprocess.run([compiler, "-cp", str(jars), "-d", str(folder), str(CLIENT)], check=True, timeout=120)
    return folder


def read(path, classes, keys, *columns):
    given = ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=json.dumps([str(path), str(classes), given, columns]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[tf"]


def test_spark_reads_what_it_was_given_the_keys_of_and_no_more(tmp_path, classes):
    data = SealedData(tmp_path)
    data.seal(TABLE)
    rotate(data.catalog, data.keychain, "patients")
    [part] = former_parts(data.catalog, data.keychain, "patients")
    data.close()
    keys = {"footer": part.footer_key} | {f"column/{name}": key for name, key in part.column_keys.items()}
    assert read(part.path, classes, keys, TABLE.column_names) == [TABLE.to_pylist()]
    del keys["column/name"]
    rest = TABLE.select(["age", "home"])
    assert read(part.path, classes, keys, rest.column_names, ["name"]) == [rest.to_pylist(), True]
