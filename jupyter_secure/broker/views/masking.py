"""The masks of a plan, and what they make of a batch."""

from __future__ import annotations

import pyarrow as pa

from jupyter_secure.protocol.treatment import subject_of
from jupyter_secure.protocol.view import ColumnView

from .mask.choice import choose
from .mask.interface import AnyMask, SubjectMask
from .plan import ViewPlan


def choose_masks(
    plan: ViewPlan, types: dict[str, pa.DataType], columns: tuple[ColumnView, ...] | None = None
) -> dict[str, AnyMask]:
    """Return the mask of each column, in the order of the view; `columns` are looked at in place of the plan's own."""
    return {
        column.name: choose(
            column.treatment,
            types[column.name],
            plan.mask_keys.get(column.name),
            types.get(subject_of(column.treatment) or ""),
        )
        for column in (plan.columns if columns is None else columns)
    }


def arrays(height: int, columns: dict[str, pa.Array], masks: dict[str, AnyMask]) -> list[pa.Array]:
    """Return the masked columns of one batch."""
    blank = pa.nulls(height)
    return [
        mask.apply(columns[name], columns[mask.subject])
        if isinstance(mask, SubjectMask)
        else mask.apply(columns.get(name, blank))
        for name, mask in masks.items()
    ]


def masked(height: int, columns: dict[str, pa.Array], masks: dict[str, AnyMask], schema: pa.Schema) -> pa.RecordBatch:
    """Return one batch as it travels."""
    return pa.RecordBatch.from_arrays(arrays(height, columns, masks), schema=schema)
