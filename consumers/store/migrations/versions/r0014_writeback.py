"""What each target of the role `writeback` has of a run."""

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "written_runs",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("target_id", sa.Text),
        sa.Column("posted_at", MOMENT),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_at", MOMENT),
    )
    op.create_index("written_runs_by_run", "written_runs", ["run_id"])
