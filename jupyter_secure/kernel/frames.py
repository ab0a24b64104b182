"""The kinds of frame that a person may ask for.

Promises: a view is gathered as its frame from the first batch on (`kernel.gather`); polars is optional in a kernel.
"""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError

from .gather import Gatherer, PandasGatherer, TableGatherer, released

Kind = Literal["pandas", "polars", "arrow"]


def gatherer(kind: str, schema: pa.Schema, rows: int = 0) -> Gatherer:
    """Return what makes a frame of that kind of batches; `rows` is how many will come, as far as is known.

    Raises:
        InvalidRequestError: no such kind.
    """
    if kind == "pandas":
        return PandasGatherer(schema, rows)
    if kind == "polars":
        return PolarsGatherer(schema)
    if kind == "arrow":
        return TableGatherer(schema)
    raise InvalidRequestError("Choose the frame from pandas, polars and arrow.")


def to_frame(table: pa.Table, kind: Kind = "pandas") -> Any:
    """Return the table as a frame of that kind.

    Raises:
        InvalidRequestError: no such kind, or one that cannot hold the table.
        InstallationError: polars is not installed in the kernel.
    """
    if kind == "arrow":
        return table
    gathered = gatherer(kind, table.schema, table.num_rows)
    for batch in table.to_batches():
        gathered.add(batch)
    return gathered.done()


class PolarsGatherer(TableGatherer):
    """Gathers a `polars.DataFrame`."""

    def done(self) -> Any:
        """Return the frame.

        Raises:
            InstallationError: polars is not installed in the kernel.
        """
        try:
            import polars as pl
        except ImportError:
            raise InstallationError(
                "polars is not installed in this kernel. Install it there, or choose `--frame pandas`."
            ) from None
        return released(pl.from_arrow(super().done()))
