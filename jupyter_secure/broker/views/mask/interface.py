"""What a mask is, and how one is chosen for a column.

Promises of every mask: the result has as many rows as the input; a null stays a null; the output type depends on the
input type and the treatment alone, never on the values; the result's buffers hold what its own rows need and nothing
else (no bytes under nulls, outside the slice, or in a dictionary); no field metadata and no statistics are passed on.
Where a method has no meaning for a type, every value becomes null: nothing crosses that the method did not make.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from jupyter_secure.protocol.sealing import ENCODING, HEX
from jupyter_secure.protocol.view import Generalize, Keep, Pseudonym, Redact, Suppress, Treatment


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


def field(name: str, mask: Mask) -> pa.Field:
    """Return the field under which a masked column travels."""
    short = pa.types.is_string(mask.type) and pa.types.is_uint64(mask.wire)
    return pa.field(name, mask.wire, metadata={ENCODING: HEX} if short else None)


def choose(treatment: Treatment, arrow_type: pa.DataType, key: bytes | None = None) -> Mask:
    """Return the mask for a column of that type; `key` (32 bytes) is for pseudonyms.

    Raises:
        ValueError: a pseudonym without a key.
    """
    from . import generalize, keep, pseudonym, redact, suppress

    match treatment:
        case Keep():
            return keep.KeepMask(arrow_type)
        case Pseudonym():
            if key is None:
                raise ValueError("a pseudonym needs a key")
            return pseudonym.PseudonymMask(arrow_type, key)
        case Generalize():
            return generalize.choose(treatment, arrow_type)
        case Redact():
            return redact.RedactMask(arrow_type)
        case Suppress():
            return suppress.SuppressMask(arrow_type)
