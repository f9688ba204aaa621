"""Until when a run is polled by one process, the task that cancels it, and all that its system says of violations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "r0018"
down_revision = "r0017"

FOLLOWED = sa.text("cancel_task IS NOT NULL")
JSON_WRITTEN = sa.Text().with_variant(postgresql.JSON(), "postgresql")
MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create a table, columns and an index."""
    op.add_column("runs", sa.Column("cancellation", sa.Text))
    op.add_column("runs", sa.Column("cancel_task", sa.Text))
    op.create_index(
        "runs_by_cancel_task", "runs", ["spoke", "cancel_task"], sqlite_where=FOLLOWED, postgresql_where=FOLLOWED
    )
    op.add_column("run_measures", sa.Column("violations", JSON_WRITTEN))
    op.create_table(
        "poll_claims",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
    )
