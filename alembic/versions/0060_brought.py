"""merges of several experiments, and changes told apart from their parents

Revision: 0060
Follows 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("experiments", "orders"):
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(
                sa.Column("brought", sa.JSON(), nullable=False, server_default="[]")
            )
    with op.batch_alter_table("experiments") as batch_op:
        change = sa.Column("change", sa.String(length=64), nullable=False, server_default="")
        batch_op.add_column(change)
        batch_op.create_index(batch_op.f("ix_experiments_change"), ["change"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("experiments") as batch_op:
        batch_op.drop_index(batch_op.f("ix_experiments_change"))
        batch_op.drop_column("change")
    for table in ("orders", "experiments"):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("brought")
