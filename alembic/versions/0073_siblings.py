"""an experiment's newest children are found without sorting all of them

Revision: 0073
Follows 0072.
"""

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None
NAME, TABLE = "ix_experiments_goal_parent", "experiments"


def upgrade() -> None:
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["goal", "parent", "number"])


def downgrade() -> None:
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["goal", "parent"])
