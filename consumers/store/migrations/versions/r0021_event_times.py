"""When the newest event happened that reported a run as pending or in progress, by the clock of its system."""

import sqlalchemy as sa
from alembic import op

revision = "r0021"
down_revision = "r0019"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Add a column."""
    op.add_column("runs", sa.Column("state_event_at", MOMENT))
