"""What Alembic runs: the revisions, on the connection that `config` was given."""

from __future__ import annotations

from alembic import context

from jupyter_secure.broker.store import tables
from jupyter_secure.broker.store.metadata import METADATA

tables.load()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
