"""Nothing raw of a masked column crosses: every byte that the kernel decrypts is searched for planted values."""

import asyncio
import contextlib
import os

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker.views.mask.choice import choose
from jupyter_secure.broker.views.mask.interface import field
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.kernel import opener
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.treatment import (
    Bucket,
    Constant,
    FormatPreserving,
    Generalize,
    Keep,
    Partial,
    Pseudonym,
    Redact,
    Scrub,
    ShiftDates,
    Suppress,
)
from jupyter_secure.protocol.view import Comparison
from tests.views_vault import INFO, plan

ROWS = 70_000
CANARIES = {
    "pseudonym": "CANARY-pseudonym-91d2",
    "redacted": "CANARY-redacted-73aa",
    "suppressed": "CANARY-suppressed-5c1e",
    "generalized": "QQZ-CANARY-generalized",
    "left_out": "CANARY-left-out-0b77",
    "filtered": "CANARY-filtered-41f0",
    "scrubbed": "CANARY-2291@example.org",
    "partial": "CANARY-partial@c-77d1.org",
    "token": "CANARYTOKENOFALLLETTERS",
    "bucket": "CANARY-bucket-18ce",
    "constant": "CANARY-constant-0aa1",
    "person": "CANARY-person-6612",
}
NUMBER = 0x5EC2E7CAFE4D1A77


def table():
    """Every text column holds its canary in some rows, among nulls; `filtered` also where the row is filtered out."""
    row = np.arange(ROWS)
    columns = {
        name: pa.array([canary if at % 3 == 0 else None if at % 3 == 1 else f"other {at % 40}" for at in range(ROWS)])
        for name, canary in CANARIES.items()
    }
    kept = pa.array([CANARIES["filtered"] if at % 10 == 9 else f"seen {at % 5}" for at in range(ROWS)])
    return pa.table(
        {
            **columns,
            "category": columns["pseudonym"].dictionary_encode(),
            "number": pa.array(np.where(row % 4 == 0, NUMBER, row), mask=row % 5 == 1),
            "banded": pa.array(np.where(row % 4 == 0, NUMBER, row)),
            "born": pa.array(row.astype(np.int32)).cast(pa.date32()),
            "kept": kept,
            "shown": kept.dictionary_encode(),
            "row": row % 10,
        }
    )


TREATMENTS = {
    "pseudonym": Pseudonym(domain="a"),
    "redacted": Redact(),
    "suppressed": Suppress(),
    "generalized": Generalize(prefix=2),
    "category": Pseudonym(domain="b"),
    "number": Pseudonym(domain="c"),
    "scrubbed": Scrub(),
    "partial": Partial(form="tail"),
    "token": FormatPreserving(alphabet="upper"),
    "bucket": Bucket(count=50),
    "constant": Constant(value="constant"),
    "born": ShiftDates(subject="person"),
    "banded": Generalize(edges=(0, 2**62)),
    "kept": Keep(),
    "shown": Keep(),
}


class Recorder(opener.Frames):
    """Frames as the kernel reads them; keeps every decrypted byte."""

    seen = bytearray()

    def _decrypt(self, frame, header, length, target):
        super()._decrypt(frame, header, length, target)
        Recorder.seen += target


@pytest.fixture
async def decrypted(tmp_path, monkeypatch):
    """Return all bytes of one view, with the rows filtered to those whose `kept` is no canary."""
    monkeypatch.setattr(opener, "Frames", Recorder)
    Recorder.seen = bytearray()
    key = KernelKey()
    wanted = plan(tmp_path, table(), TREATMENTS, key.public_bytes, [Comparison(column="row", operator="lt", value=9)])
    pool = WorkerPool(1)
    await pool.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        stream = await pool.open(wanted)
        shown = await asyncio.to_thread(open_view, os.dup(stream.fd), stream.seal, INFO, key)
        await stream.finished()
    assert shown.num_rows == ROWS * 9 // 10
    return bytes(Recorder.seen), shown


async def test_no_masked_value_is_in_any_byte_of_the_view(decrypted):
    seen, shown = decrypted
    assert b"seen 3" in seen  # the search can find what does cross
    for canary in CANARIES.values():
        for form in (canary, canary[4:], canary.encode().hex(), canary.encode("utf-16-le").decode("latin-1")):
            assert form.encode("latin-1") not in seen, canary
    assert NUMBER.to_bytes(8, "little") not in seen
    assert NUMBER.to_bytes(8, "big") not in seen
    assert f"{NUMBER:x}".encode() not in seen
    assert b"QQ*" in seen
    assert shown.schema.metadata is None


async def test_a_kept_dictionary_crosses_without_the_entries_of_other_rows(decrypted):
    _, shown = decrypted
    assert shown.schema.field("shown").type == pa.large_string()
    assert set(shown["shown"].to_pylist()) == {f"seen {number}" for number in range(5)}


@pytest.mark.parametrize("treatment", [Keep(), Generalize(), Pseudonym(domain="a")])
async def test_what_lies_under_a_null_or_beside_a_slice_does_not_cross(treatment):
    hidden = pa.array([0x41414141_41414141] * 6)
    under = pa.Array.from_buffers(pa.int64(), 6, [pa.py_buffer(b"\x2a"), hidden.buffers()[1]])
    text = pa.array(["AAAAAAAA", "b", "c", "AAAAAAAA"])
    words = pa.Array.from_buffers(pa.string(), 4, [pa.py_buffer(b"\x06"), *text.buffers()[1:]])
    for array in (under.slice(0, 1), text.slice(1, 2), words):
        mask = choose(treatment, array.type, bytes(32))
        batch = pa.RecordBatch.from_arrays([mask.apply(array)], schema=pa.schema([field("c", mask)]))
        assert b"AAAA" not in batch.serialize().to_pybytes()
