"""Which code of our family an exception in a worker has.

What the readers raise over damaged or exchanged files has many classes, and is an integrity failure. Only the code and
the name of the class leave the worker, never the text of an exception, because it may hold a value.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from jupyter_secure.protocol.errors import IntegrityError, SecureError

from .jobs import Failed


def code_of(error: BaseException) -> str:
    """Return the code."""
    if isinstance(error, SecureError):
        return error.code
    damaged = isinstance(error, pl.exceptions.PolarsError | pa.ArrowException) and not isinstance(error, MemoryError)
    return IntegrityError.code if damaged else SecureError.code


def failed(error: BaseException) -> Failed:
    """Return what the worker says of it."""
    return Failed(code=code_of(error), kind=type(error).__name__)
