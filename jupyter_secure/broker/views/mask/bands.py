"""Bands: a number becomes the highest public edge that is not above it; `generalize` with `edges` or `grid`.

| input | result | type |
|---|---|---|
| integer, with `edges` | an edge, rounded down; below the first edge, the first one | int64 |
| float, decimal128, with `edges` | an edge; NaN stays | float64 |
| float, with `grid` | floored to a multiple of the grid; NaN and infinities stay | the same |

Ages in bands: `edges = [0, 18, 40, 65, 80]`. Coordinates in degrees, to about a kilometre: `grid = 0.01`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jupyter_secure.protocol.treatment import Generalize

from . import buffers
from .generalize import FloatMask
from .interface import Mask


def choose(treatment: Generalize, kind: pa.DataType) -> Mask | None:
    """Return the mask if the treatment has one for the type."""
    kind = buffers.plain_type(kind)
    floating = pa.types.is_floating(kind)
    if treatment.edges and (floating or pa.types.is_integer(kind) or pa.types.is_decimal128(kind)):
        return BandMask(treatment.edges, kind)
    if treatment.grid and floating:
        return FloatMask(kind, treatment.grid)
    return None


class BandMask:
    """See the module."""

    def __init__(self, edges: tuple[float, ...], kind: pa.DataType) -> None:
        self._decimal = pa.types.is_decimal128(kind)
        floating = self._decimal or pa.types.is_floating(kind)
        self.type = self.wire = pa.float64() if floating else pa.int64()
        sign = "f" if floating else "u" if pa.types.is_unsigned_integer(kind) else "i"
        self._source = f"{sign}{8 if self._decimal else kind.bit_width // 8}"
        self._edges = np.array(edges, np.float64)
        self._shown = self._edges if floating else np.floor(self._edges).astype(np.int64)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the edges."""
        array = buffers.plain(array)
        if self._decimal:
            array = array.cast(pa.float64())
        values = buffers.fixed(array, self._source).astype(np.float64)
        places = np.maximum(np.searchsorted(self._edges, values, side="right") - 1, 0)
        bands = self._shown[places]
        if pa.types.is_floating(self.type):
            bands = np.where(np.isnan(values), np.nan, bands)
        return buffers.from_fixed(bands, self.type, buffers.validity(array))
