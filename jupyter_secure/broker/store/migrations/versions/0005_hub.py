"""A grant remembers the Hub's server it was minted for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; grants of a laptop have none."""
    op.add_column("grants", sa.Column("server", sa.String(255)))
