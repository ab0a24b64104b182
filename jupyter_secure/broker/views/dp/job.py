"""One question inside a worker: columns in, one Arrow stream out, and no word about the data if it fails.

Order of steps: bind again (the worker trusts no sender with the sensitivity), decrypt the missing columns, normalise
and bound contributions (kept in this process for the next question), sum, wait for the word that it is paid, answer.
After step one any failure is one generic error, because which failure it was would be an answer without noise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_secure.broker.views.jobs import Finished, Report
from jupyter_secure.broker.views.payment import Paid, word
from jupyter_secure.broker.views.plan import ViewPlan
from jupyter_secure.broker.views.question import DpJob, DpQuestion, DpResult
from jupyter_secure.broker.views.scan import Scan
from jupyter_secure.protocol.dpdomain import DpDomain
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.treatment import Keep
from jupyter_secure.protocol.view import ColumnView

from . import mechanisms  # noqa: F401 - loaded with the worker, not with its first question
from .aggregate import PERSONS
from .answer import Answered
from .asking import BoundAsked, answer_asked, bind_asked, counts_persons
from .domain import facts
from .normalise import Normal, bound_contributions, normalise, numbered

FAILED = (
    "The question was accepted and charged, but no answer could be made. It stays charged, because a refund would "
    "itself be an answer. Ask the operator to look at the broker's log."
)
MEMORY = 512 * 2**20

Read = Callable[[tuple[str, ...]], pa.Table]


class Normalised:
    """Normalised columns of one worker process, the least recently used going first.

    Keyed by dataset version, domain and column: another policy or another version never meets an older column.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._held: OrderedDict[tuple[str, str, str], Any] = OrderedDict()

    def get(self, key: tuple[str, str, str]) -> Any | None:
        """Return what is held, or None."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: tuple[str, str, str], value: Any) -> None:
        """Hold a value; drop the oldest beyond the memory limit."""
        self._held[key] = value
        while len(self._held) > 1 and sum(map(_size, self._held.values())) > self._memory:
            self._held.popitem(last=False)


def answer_question(job: DpJob, fd: int | None, report: Report) -> Finished:  # noqa: ARG001 - every handler's shape
    """Do one job in a worker, which hears at `fd` that it is paid; `result` is a `DpResult` in MessagePack."""
    result = run(job.asked, lambda columns: _read(job, columns), HELD, word(fd))
    return Finished(rows=result.rows, size=len(result.stream), result=msgspec.msgpack.encode(result))


def run(asked: DpQuestion, read: Read, held: Normalised, paid: Paid) -> DpResult:
    """Answer one question.

    Args:
        asked: the question and its public facts.
        read: returns the named columns of all rows that the row filters leave, always in the same order of rows.
        held: the worker's memory of earlier questions.
        paid: returns when the question is paid, or raises; no noise is drawn before.

    Raises:
        InvalidRequestError: the question does not fit the domain; nothing was looked at.
        SecureError: anything later, always with the same sentence.
    """
    bound = bind_asked(asked.asked, facts(asked.domain), asked.units)
    try:
        return _packed(_answered(asked, bound, read, held, paid))
    except Exception as error:  # noqa: BLE001 - the kind of a failure depends on data, so all of them look the same
        raise SecureError(FAILED, detail=type(error).__name__) from None


def _answered(asked: DpQuestion, bound: BoundAsked, read: Read, held: Normalised, paid: Paid) -> Answered:
    domain = asked.domain.digest()
    keys = {name: (asked.version, domain, name) for name in bound.columns}
    unit_key = (asked.version, domain, "")  # no column has an empty name
    found = {name: held.get(key) for name, key in keys.items()}
    kept: NDArray[np.bool_] | None = held.get(unit_key)
    missing = tuple(sorted(name for name, column in found.items() if column is None))
    wanted = missing if kept is not None else tuple(sorted({*missing, asked.domain.privacy_unit}))
    table = read(wanted) if wanted else pa.table({})
    if table.num_rows > asked.domain.max_rows:
        raise ValueError("more rows than the public ceiling")
    if kept is None:
        kept = bound_contributions(
            table.column(asked.domain.privacy_unit), asked.domain.contributions, asked.bounding_key
        )
        held.put(unit_key, kept)
    for name in missing:
        found[name] = _normalised(table, name, asked.domain)
        held.put(keys[name], found[name])
    columns: dict[str, Normal] = {name: column for name, column in found.items() if column is not None}
    if counts_persons(bound):
        columns[PERSONS] = _persons(asked, read, held)
    return answer_asked(bound, columns, kept, paid)


def _persons(asked: DpQuestion, read: Read, held: Normalised) -> Normal:
    key = (asked.version, asked.domain.digest(), "\0persons")  # no column has such a name
    found: Normal | None = held.get(key)
    if found is None:
        unit = asked.domain.privacy_unit
        found = numbered(read((unit,)).column(unit))
        held.put(key, found)
    return found


def _normalised(table: pa.Table, name: str, domain: DpDomain) -> Normal:
    return normalise(table.column(name), facts(domain).columns[name])


def _read(job: DpJob, columns: tuple[str, ...]) -> pa.Table:
    """Decrypt columns of all rows that the row filters leave, in the order of parts and rows."""
    chosen = tuple(ColumnView(name=name, treatment=Keep(), rule="dp") for name in columns)
    rows = job.asked.domain.rows
    scan = Scan(
        ViewPlan(parts=job.parts, columns=chosen, rows=rows, lists=job.lists, recipient=bytes(32), info=b"", total=0)
    )
    try:
        schema = pa.schema([(name, scan.types[name]) for name in columns])
        batches = [pa.record_batch([found[name] for name in columns], schema=schema) for _, found in scan.batches()]
        return pa.Table.from_batches(batches, schema=schema)
    finally:
        scan.close()


def _packed(answered: Answered) -> DpResult:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, answered.table.schema) as writer:
        writer.write_table(answered.table)
    return DpResult(stream=sink.getvalue().to_pybytes(), rows=answered.table.num_rows, errors=answered.errors)


def _size(value: Any) -> int:
    parts = (value.codes, value.null, value.names) if isinstance(value, Normal) else (value,)
    return sum(int(part.nbytes) for part in parts if part is not None)


HELD = Normalised()
