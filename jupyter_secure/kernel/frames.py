"""Turns an opened view into the frame that the person asked for.

Promises: a pandas frame has the dtypes that `pandas.read_parquet` gives for the same table; the table is given up while
it is converted, so that the view is not held twice; afterwards Arrow holds no memory but the frame's. polars is
optional in a kernel.
"""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError

Kind = Literal["pandas", "polars", "arrow"]


def to_frame(table: pa.Table, kind: Kind = "pandas") -> Any:
    """Return the table as a frame of that kind; the table must not be used afterwards, unless the kind is `arrow`.

    Raises:
        InvalidRequestError: no such kind, or one that cannot hold the table.
        InstallationError: polars is not installed in the kernel.
    """
    if kind == "pandas":
        frame = to_pandas(table)
    elif kind == "polars":
        frame = to_polars(table)
    elif kind == "arrow":
        return table
    else:
        raise InvalidRequestError("Choose the frame from pandas, polars and arrow.")
    # Else the process keeps what the columns took before they were converted, a quarter of its memory.
    pa.default_memory_pool().release_unused()
    return frame


def to_pandas(table: pa.Table) -> Any:
    """Return a `pandas.DataFrame`; columns do not share one block, which spares a copy.

    Raises:
        InvalidRequestError: a date is one that Python does not have.
    """
    try:
        return table.to_pandas(split_blocks=True, self_destruct=True, use_threads=True)
    except (ValueError, OverflowError):  # what pandas says quotes the cell
        raise InvalidRequestError(
            "A date or time is outside the years 1 to 9999, which pandas cannot hold. Choose `--frame polars` or "
            "`--frame arrow`."
        ) from None


def to_polars(table: pa.Table) -> Any:
    """Return a `polars.DataFrame`."""
    try:
        import polars as pl
    except ImportError:
        raise InstallationError(
            "polars is not installed in this kernel. Install it there, or choose `--frame pandas`."
        ) from None
    return pl.from_arrow(table)
