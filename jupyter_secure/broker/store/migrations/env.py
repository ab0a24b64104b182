"""What Alembic runs: the revisions, on the connection that `config` was given, or into SQL text without one."""

from __future__ import annotations

from alembic import context

from jupyter_secure.broker.store import tables
from jupyter_secure.broker.store.metadata import METADATA

tables.load()
connection = context.config.attributes["connection"]
if connection is None:
    context.configure(
        dialect_name=context.config.attributes["dialect"],
        target_metadata=METADATA,
        literal_binds=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=False,
        transactional_ddl=False,  # the transaction is the caller's
    )
    context.run_migrations()
