"""The identity of the store, and the gateways that worked with it."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    """Create both tables; a store that has runs has worked with groups whose commits name no store."""
    identity = op.create_table(
        "store_identity",
        sa.Column("store_id", sa.Text, primary_key=True),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("unmarked", sa.Boolean, nullable=False),
        sa.Column("accepted", sa.Text, nullable=False),
    )
    op.create_table(
        "store_gateways",
        sa.Column("prefix", sa.Text, primary_key=True),
        sa.Column("kafka_group", sa.Text, primary_key=True),
        sa.Column("recorded", sa.Text, nullable=False),
    )
    has_runs = op.get_bind().execute(sa.text("SELECT run_id FROM runs LIMIT 1")).first() is not None
    row = {"store_id": uuid.uuid4().hex, "mark": 0, "unmarked": has_runs, "accepted": "{}"}
    op.get_bind().execute(sa.insert(identity).values(row))
