"""trust per goal, owner and device class

Revision: 0071
Follows 0070. Owners' trust is summed up again as each goal is next fitted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trust",
        sa.Column("goal", sa.String(length=31), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("device_class", sa.String(length=200), nullable=False),
        sa.Column("valid", sa.Integer(), nullable=False),
        sa.Column("broken", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["goal"], ["goals.slug"], name=op.f("fk_trust_goal_goals")),
        sa.PrimaryKeyConstraint("goal", "owner", "device_class", name=op.f("pk_trust")),
    )
    with op.batch_alter_table("trust") as batch_op:
        batch_op.create_index(batch_op.f("ix_trust_owner"), ["owner"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("trust") as batch_op:
        batch_op.drop_index(batch_op.f("ix_trust_owner"))
    op.drop_table("trust")
