"""What a mask is.

Promises of every mask: the result has as many rows as the input; a null stays a null; the output type depends on the
input type and the treatment alone, never on the values; the result's buffers hold what its own rows need and nothing
else (no bytes under nulls, outside the slice, or in a dictionary); no field metadata and no statistics are passed on.
Where a method has no meaning for a type, every value becomes null: nothing crosses that the method did not make.
`constant` alone turns nulls into values. `jupyter_secure.testing.masks` checks all of this for any mask.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pyarrow as pa

from jupyter_secure.protocol.sealing import ENCODING, HEX


class Mask(Protocol):
    """A mask for one column.

    Attributes:
        type: of the column as it is shown.
        wire: of the result, which is how the column travels; differs from `type` where a shorter form exists
            (`protocol.sealing.ENCODING`, `kernel/expand.py`).
    """

    type: pa.DataType
    wire: pa.DataType

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the masked array, of type `wire`."""
        ...


@runtime_checkable
class SubjectMask(Protocol):
    """A mask for one column that goes by the person whose row it is.

    Attributes:
        subject: the column that names the person.
    """

    type: pa.DataType
    wire: pa.DataType
    subject: str

    def apply(self, array: pa.Array, subjects: pa.Array) -> pa.Array:
        """Return the masked array; null where the row names no person."""
        ...


AnyMask = Mask | SubjectMask


def field(name: str, mask: AnyMask) -> pa.Field:
    """Return the field under which a masked column travels."""
    short = pa.types.is_string(mask.type) and pa.types.is_uint64(mask.wire)
    return pa.field(name, mask.wire, metadata={ENCODING: HEX} if short else None)
