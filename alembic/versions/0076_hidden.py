"""what operators hid is found at once: the hub's own posts of its results are left out with it

Revision: 0076
Follows 0075.
"""

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_experiments_hidden",
        "experiments",
        ["sha"],
        sqlite_where=sa.text("hidden = 1"),
        postgresql_where=sa.text("hidden"),
    )


def downgrade() -> None:
    op.drop_index("ix_experiments_hidden", table_name="experiments")
