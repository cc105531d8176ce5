"""how many leases a goal has is counted by an index of them: PostgreSQL went through every goal's

Revision: 0082
Follows 0081.
"""

import sqlalchemy as sa
from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

LEASED = sa.text("state = 'leased'")


def upgrade() -> None:
    op.create_index(
        "ix_orders_leased", "orders", ["goal"], sqlite_where=LEASED, postgresql_where=LEASED
    )


def downgrade() -> None:
    op.drop_index("ix_orders_leased", table_name="orders")
