"""what an owner wishes of an agent, said on the board

Revision: 0070
Follows 0060.
"""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("agents") as batch_op:
        wish = sa.Column("wish", sa.String(length=8), nullable=False, server_default="")
        batch_op.add_column(wish)


def downgrade() -> None:
    with op.batch_alter_table("agents") as batch_op:
        batch_op.drop_column("wish")
