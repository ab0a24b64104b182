"""The schema's history, driven without an ini file.

Revisions are `versions/NNNN_<what>.py` with the four digits as their id, each following the one before. To add tables:
write `tables/<family>.py`, then `python -m jupyter_secure.broker.store.migrations "what is new"` prints the operations
that lead from the newest revision to the tables; read them, correct them, and save them as the next revision.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def head() -> str:
    """Return the newest revision, from the file names alone: importing Alembic takes a second."""
    return max(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def config(connection: Connection | None = None) -> Config:
    """Return what Alembic needs to know."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def upgrade(connection: Connection) -> None:
    """Run the missing revisions inside the caller's transaction."""
    from alembic import command

    command.upgrade(config(connection), "head")


def script(dialect: str, found: str | None) -> str:
    """Return the missing revisions as SQL, in one transaction, for whoever runs such things by hand."""
    from alembic import command

    settings = config()
    settings.attributes["dialect"] = dialect
    settings.output_buffer = io.StringIO()
    command.upgrade(settings, f"{found}:head" if found else "head", sql=True)
    return settings.output_buffer.getvalue()
