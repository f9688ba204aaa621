"""Which runs are polled by which process."""

import sqlalchemy as sa
from alembic import op

revision = "r0018"
down_revision = "r0017"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "poll_claims",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
    )
