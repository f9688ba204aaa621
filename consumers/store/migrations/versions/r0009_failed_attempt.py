"""The last failed attempt to send a run, and when the next one is."""

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    """Add a column."""
    op.add_column("runs", sa.Column("failed_attempt", sa.Text))
