"""Reads sealed parts with the keys of only the permitted columns.

Promises: filters are pushed down into the scan; memory does not grow with the file.

Steps for a part: open and check it (`opening`) -> filter (`conditions`), select -> batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from jupyter_secure.protocol.errors import IntegrityError, PolicyError
from jupyter_secure.protocol.treatment import Generalize, Redact

from .conditions import condition
from .opening import lazy, open_part
from .plan import Part, ViewPlan, read

BATCH = 1 << 17  # rows; of more, the last batch keeps the kernel waiting longer, and fewer cost more hand-overs
OLDEST = pl.CompatLevel.oldest()  # offsets instead of string views
NEWEST = pl.CompatLevel.newest()  # string views, as polars holds them: costs nothing


class Scan:
    """The batches of a plan, in the order of parts and rows.

    Attributes:
        types: Arrow type of every column of the plan, and of those that name the person.
    """

    def __init__(self, plan: ViewPlan) -> None:
        self._plan = plan
        self._files = [open_part(part) for part in plan.parts]
        frames = [lazy(fd, part) for fd, part in zip(self._files, plan.parts, strict=True)]
        schemas = [frame.collect_schema() for frame in frames]
        if not schemas or any(schema != schemas[0] for schema in schemas):
            raise IntegrityError(detail="the parts differ in their columns")
        persons = plan.subjects
        missing = {column.name for column in plan.looked_at} | {row.column for row in plan.rows} | persons
        if missing - set(schemas[0]):
            raise IntegrityError(detail="a column of the plan is not in the file")
        arrow = pl.DataFrame(schema=schemas[0]).to_arrow(compat_level=OLDEST).schema
        self.types: dict[str, pa.DataType] = {
            name: arrow.field(name).type for name in {column.name for column in plan.looked_at} | persons
        }
        seen = {column.name for column in plan.looked_at if isinstance(column.treatment, Redact | Generalize)}
        self._seen = seen - persons
        self._lazy = [self._select(frame, schemas[0]) for frame in frames]
        self._rows = [batch_rows(part) for part in plan.parts]

    def batches(self, only: frozenset[str] | None = None) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """Yield the number of rows and one array for each column that is read, or for `only` those of them.

        A redacted or generalized column arrives as it lies in memory: its mask needs validity, or what a view shows.
        """
        for frame, rows in zip(self._lazy, self._rows, strict=True):
            if not frame.collect_schema():
                raise PolicyError("Every column of that view is hidden, so there is nothing to hand out.")
            chosen = frame if only is None else frame.select([name for name in frame.collect_schema() if name in only])
            for batch in chosen.collect_batches(chunk_size=rows, maintain_order=True):
                yield batch.height, self._arrays(batch)

    def _arrays(self, batch: pl.DataFrame) -> dict[str, pa.Array]:
        return {
            column.name: column.to_arrow(compat_level=NEWEST if column.name in self._seen else OLDEST)
            for column in batch.get_columns()
        }

    def close(self) -> None:
        """Close the files."""
        for fd in self._files:
            os.close(fd)

    def _select(self, frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
        if self._plan.rows:
            conditions = [condition(row, schema[row.column], self._plan.lists) for row in self._plan.rows]
            frame = frame.filter(pl.all_horizontal(conditions))
        # Bare columns: polars would decode all row groups before it evaluates an expression on the first.
        chosen = read(self._plan.looked_at) | self._plan.subjects
        return frame.select([name for name in schema if name in chosen])


def batch_rows(part: Part) -> int:
    """Return the rows of a batch: `BATCH`, or those of a row group where it has fewer because rows are wide.

    Row groups have a power of two of rows each, but the last, so their mean tells it.
    """
    if part.row_groups < 2:
        return BATCH
    mean = -(-part.rows // part.row_groups)
    return min(BATCH, 1 << (mean - 1).bit_length())
