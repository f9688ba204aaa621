"""What was published last about a run, so that it is published again as it was at first."""

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    """Add a column. Of the runs that are there, it is not known what was published last."""
    op.add_column("runs", sa.Column("last_notification", sa.Text))
