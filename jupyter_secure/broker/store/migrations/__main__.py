"""Print the operations that lead from the newest revision to the tables as they are written now."""

from __future__ import annotations

import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from jupyter_secure.broker.store import tables
from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.migrations import head, upgrade


def main() -> None:
    """Migrate an empty database, compare, print."""
    tables.load()
    with create_engine("sqlite://").connect() as connection:
        upgrade(connection)
        difference = produce_migrations(MigrationContext.configure(connection), METADATA)
    what = " ".join(sys.argv[1:]) or "what is new"
    operations = render_python_code(difference.upgrade_ops) if difference.upgrade_ops else "pass"
    sys.stdout.write(f'"""{what}."""\n\nrevision = "{int(head()) + 1:04}"\ndown_revision = "{head()}"\n\n\n')
    sys.stdout.write(f"def upgrade() -> None:\n    {operations}\n")


if __name__ == "__main__":
    main()
