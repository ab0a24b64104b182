"""Which words occur in a view: the view is made again in a worker, and compared instead of handed over.

Promises: what is compared is what was served, masks and all, since the plan is the same; a value that many rows share
(a category) is nobody's and counts for nothing; no value leaves, only the places of words that were asked about.

Compared are texts, tokens, numbers and dates as a frame shows them. Not compared: nested values, durations, binary.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.sealing import ENCODING

from .checking import check
from .comparison import CompareJob, CompareResult
from .jobs import Finished, Report
from .mask.interface import field
from .masking import choose_masks, masked
from .scan import Scan
from .sift import sifted

COMMON = 10  # so many rows with one value make it a category
LEAST_DIGITS = 4  # a shorter number is everywhere
TOKEN = 16  # hex characters


def compare(job: CompareJob, out: int | None, report: Report) -> Finished:  # noqa: ARG001 - every handler's shape
    """Do one job in a worker; `result` is a `CompareResult` in MessagePack."""
    scan = Scan(job.plan)
    try:
        fit = check(job.plan, scan, report)
        masks = choose_masks(fit.plan, scan.types)
        schema = pa.schema([field(name, mask) for name, mask in masks.items()])
        looking = {each.name: _Looking(each, job.words) for each in schema}
        for height, columns in fit.kept(sifted(scan.batches(fit.reads), job.plan, scan.types)):
            batch = masked(height, columns, masks, schema)
            for name, own in looking.items():
                own.look(batch.column(name))
        found = {name: own.found() for name, own in looking.items()}
        result = CompareResult(found={name: places for name, places in found.items() if places})
        return Finished(result=msgspec.msgpack.encode(result))
    finally:
        scan.close()


class _Looking:
    """The words as values of one column, and how many rows hold each."""

    def __init__(self, column: pa.Field, words: tuple[str, ...]) -> None:
        kind = column.type
        self._kind = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind
        marked = ENCODING in (column.metadata or {})
        self._places: dict[Any, int] = {}
        for place, word in enumerate(words):
            value = _token(word) if marked else _meant(word, self._kind)
            if value is not None:
                self._places[value] = place
        self._wanted = pa.array(list(self._places), self._kind) if self._places else None
        self._rows: Counter[Any] = Counter()

    def look(self, array: pa.Array[Any]) -> None:
        """Count the rows of one batch."""
        if self._wanted is None:
            return
        plain = pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array
        plain = plain.cast(self._kind) if pa.types.is_dictionary(plain.type) else plain
        hits = plain.filter(pc.is_in(plain, value_set=self._wanted))
        if len(hits):
            for each in hits.value_counts().to_pylist():
                self._rows[each["values"]] += each["counts"]

    def found(self) -> tuple[int, ...]:
        """Return the places of words that occur, in fewer rows than a category has."""
        return tuple(sorted(self._places[value] for value, rows in self._rows.items() if rows < COMMON))


def _token(word: str) -> int | None:
    if len(word) != TOKEN:
        return None
    try:
        return int(np.frombuffer(bytes.fromhex(word), "<u8")[0])
    except ValueError:
        return None


def _meant(word: str, kind: pa.DataType) -> Any | None:
    """Return the value of a type that a word stands for, None for none."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return word
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if numeric and sum(map(str.isdigit, word)) < LEAST_DIGITS:
        return None
    if not (numeric or pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    try:
        return pa.scalar(word.replace(",", "") if numeric else word).cast(kind).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError):
        return None
