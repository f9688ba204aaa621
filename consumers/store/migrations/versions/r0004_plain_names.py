"""Columns and an index get the names that the code uses; no value changes."""

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"

WAITS = sa.text("waits_for IS NOT NULL")


def upgrade() -> None:
    """Rename two columns and an index.

    A process of the version before knows only the old names: stop them all before the first of this version starts.
    """
    # Alembic would copy the tables in SQLite.
    op.execute("ALTER TABLE runs RENAME COLUMN cancel_asked TO cancel_requested")
    op.execute("ALTER TABLE run_measures RENAME COLUMN place TO position")
    op.drop_index("runs_in_line", "runs")
    op.create_index(
        "runs_waiting",
        "runs",
        ["phase", "created_at", "run_id"],  # without waits_for, as in r0002
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
