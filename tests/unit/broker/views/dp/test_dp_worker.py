"""A question through real worker processes and a really sealed dataset."""

import asyncio

import msgspec
import pyarrow as pa
import pytest

from jupyter_secure.broker.views.plan import Part
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.broker.views.question import DpJob, DpQuestion, DpResult
from jupyter_secure.broker.views.underway import Underway
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain, needed_columns
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.queryread import read_question
from jupyter_secure.protocol.view import Comparison
from jupyter_secure.testing.sealed_data import SealedData

TABLE = pa.table(
    {
        "pid": [f"p{n // 2}" for n in range(3000)],
        "age": [n % 90 for n in range(3000)],
        "sex": ["F", "M", None] * 1000,
        "ward": [n % 3 for n in range(3000)],
    }
)
DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=2,
    columns=(NumberDomain(name="age", lower=0, upper=100, resolution=1), CategoryDomain(name="sex", keys=("F", "M"))),
)
TEXT = '{"v":1,"dataset":"patients","group_by":[{"col":"sex"}],"aggs":[{"op":"count"},{"op":"sum","col":"age"}]}'


@pytest.fixture
def data(tmp_path):
    data = SealedData(tmp_path)
    data.seal(TABLE)
    yield data
    data.close()


def job(data, domain, columns):
    opened = data.open(columns)
    parts = tuple(
        Part(
            path=str(part.path), rows=part.rows, footer_key=part.footer_key, column_keys=part.column_keys,
            footer_digest=part.footer_sha256,
        )
        for part in opened.parts
    )  # fmt: skip
    asked = DpQuestion(
        question=read_question(TEXT), domain=domain, version=opened.version.digest, units=10**15, bounding_key=bytes(32)
    )
    return DpJob(parts=parts, asked=asked)


async def paid(pool, job):
    work = Underway(pool, job, asyncio.get_running_loop())
    work.pay()
    await asyncio.sleep(0)  # the loop begins it
    try:
        return await work.finished()
    finally:
        await work.end()


async def test_a_worker_answers_from_sealed_parts_with_keys_of_the_needed_columns_only(data):
    filtered = msgspec.structs.replace(DOMAIN, rows=(Comparison(column="ward", operator="eq", value=0),))
    pool = WorkerPool(1)
    await pool.start()
    try:
        for domain, counts in ((DOMAIN, [1000, 1000, 1000]), (filtered, [1000, 0, 0])):
            for _ in range(2):  # the second time from the worker's memory
                columns = needed_columns(domain, frozenset({"age", "sex"}))
                finished = await paid(pool, job(data, domain, columns))
                result = msgspec.msgpack.decode(finished.result, type=DpResult)
                found = pa.ipc.open_stream(result.stream).read_all()
                assert found["count"].to_pylist() == counts
                assert finished.rows == 3
        with pytest.raises(SecureError):
            await paid(pool, job(data, msgspec.structs.replace(DOMAIN, contributions=1), ("age",)))
        await paid(pool, job(data, DOMAIN, columns))  # the worker is still there
    finally:
        await pool.close()
