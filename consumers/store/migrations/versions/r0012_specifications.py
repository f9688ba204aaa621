"""The test specifications of the topic, so that they can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "r0012"
down_revision = "r0011"


def upgrade() -> None:
    """Make the table; a process that follows the topic of specifications fills it."""
    op.create_table(
        "specifications",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("record", sa.Text),
    )
