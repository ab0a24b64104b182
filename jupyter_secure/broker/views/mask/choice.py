"""Which mask a column gets: one line per treatment."""

from __future__ import annotations

import pyarrow as pa

from jupyter_secure.protocol.view import Generalize, Keep, Pseudonym, Redact, Suppress, Treatment

from . import generalize, keep, pseudonym, redact, suppress
from .interface import Mask


def choose(treatment: Treatment, arrow_type: pa.DataType, key: bytes | None = None) -> Mask:
    """Return the mask for a column of that type; `key` (32 bytes) is for pseudonyms.

    Raises:
        ValueError: a pseudonym without a key.
    """
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
