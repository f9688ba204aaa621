"""Uses of request definitions, and what a run waits for."""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
WAITS = sa.text("waits_for IS NOT NULL")


def upgrade() -> None:
    """Add a column, its index and a table.

    A routing process of the version before does not know the phase `waiting`: upgrade each before the first threshold.
    """
    op.add_column("runs", sa.Column("waits_for", sa.Text))
    op.create_index(
        "runs_in_line",
        "runs",
        ["phase", "created_at", "run_id"],  # without waits_for: PostgreSQL indexes no text of more than 2,704 bytes
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
    op.create_table(
        "definition_uses",
        sa.Column("definition", sa.Text, primary_key=True),
        sa.Column("since", MOMENT, primary_key=True),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
    )
