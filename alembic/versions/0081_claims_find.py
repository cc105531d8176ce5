"""what a claim asks of orders is found by indexes: it read all that were ever finished

Revision: 0081
Follows 0080.
"""

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

UNMERGED = sa.text("kind = 'merge' AND experiment IS NULL")


def upgrade() -> None:
    op.create_index("ix_orders_agent_claimed_at", "orders", ["agent", "claimed_at"])
    op.create_index(
        "ix_orders_unmerged",
        "orders",
        ["goal"],
        sqlite_where=UNMERGED,
        postgresql_where=UNMERGED,
    )


def downgrade() -> None:
    op.drop_index("ix_orders_unmerged", table_name="orders")
    op.drop_index("ix_orders_agent_claimed_at", table_name="orders")
