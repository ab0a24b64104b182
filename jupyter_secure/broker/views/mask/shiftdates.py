"""Shift dates: all dates of one person moved by the same secret number of whole days, so that intervals stay.

Type: date32, date64 and timestamps stay what they are; anything else becomes null, as `keep`. The shift is drawn from
-`days` to `days` by a keyed function of the person (64 bits modulo 2 `days` + 1). It is equal for all columns and
datasets of a project whose persons are named by a column of the same name. A row without a person, and a date that the
type cannot hold, become null.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jupyter_secure.protocol.treatment import ShiftDates

from . import buffers
from .buffers import Array
from .generalize import PER_DAY
from .tokens import Tokens, both


class ShiftDatesMask:
    """See the module. `key` has 32 bytes; `subject` is the type of the person's column."""

    def __init__(self, treatment: ShiftDates, kind: pa.DataType, key: bytes, subject: pa.DataType) -> None:
        self.subject = treatment.subject
        self.type = self.wire = kind = buffers.plain_type(kind)
        self._days = treatment.days
        self._tokens = Tokens(subject, key, "shift-dates")
        self._per_day = 0
        if pa.types.is_date32(kind):
            self._per_day = 1
        elif pa.types.is_date64(kind) or pa.types.is_timestamp(kind):
            self._per_day = PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]

    def apply(self, array: pa.Array, subjects: pa.Array) -> pa.Array:
        """Return the moved dates."""
        if not self._per_day:
            return pa.nulls(len(array), self.type)
        array = buffers.plain(array)
        values = buffers.fixed(array, f"i{self.type.bit_width // 8}")
        tokens, known = self._tokens.of(subjects)
        days = (tokens % np.uint64(2 * self._days + 1)).astype(np.int64) - self._days
        moved, fits = self._moved(values, days)
        valid = both(buffers.validity(array), both(known, None if fits.all() else fits))
        return buffers.from_fixed(moved, self.type, valid)

    def _moved(self, values: Array, days: Array) -> tuple[Array, Array]:
        shift = (days * self._per_day).astype(values.dtype)
        with np.errstate(over="ignore"):
            moved = values + shift
        return moved, (moved >= values) == (shift >= 0)  # false where it wrapped around
