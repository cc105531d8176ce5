"""the steps of a goal's best are found at once: each card of the first page read the whole goal

Revision: 0079
Follows 0078.
"""

import sqlalchemy as sa
from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_experiments_kept",
        "experiments",
        ["goal", "number"],
        sqlite_where=sa.text("kept = 1"),
        postgresql_where=sa.text("kept"),
    )


def downgrade() -> None:
    op.drop_index("ix_experiments_kept", table_name="experiments")
