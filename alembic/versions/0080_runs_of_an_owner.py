"""an owner's runs stand in order: each page of them sorted them all

Revision: 0080
Follows 0079.
"""

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_runs_owner_created_at", "runs", ["owner", "created_at"])
    op.drop_index("ix_runs_owner", table_name="runs")


def downgrade() -> None:
    op.create_index("ix_runs_owner", "runs", ["owner"])
    op.drop_index("ix_runs_owner_created_at", table_name="runs")
