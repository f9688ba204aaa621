"""The tests of a run that changes have replaced at its system."""

import sqlalchemy as sa
from alembic import op

revision = "r0019"
down_revision = "r0020"


def upgrade() -> None:
    """Add a column, and a table to find a run by the id of a test that it had."""
    op.add_column("runs", sa.Column("replacement", sa.Text))
    op.create_table(
        "replaced_tests",
        sa.Column("spoke", sa.Text, primary_key=True),
        sa.Column("external_id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
    )
    op.create_index("replaced_tests_by_run", "replaced_tests", ["run_id"])
