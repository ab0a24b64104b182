"""The tables, one noun family a file. Times are milliseconds since 1970, digests lower-case hex, blobs opaque here.

Only types that SQLite and PostgreSQL both have. `load` registers every family, for migrations and for whoever compares
the schema with it.
"""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Register all tables in `metadata.METADATA`."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
