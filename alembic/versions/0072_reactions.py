"""reactions to posts

Revision: 0072
Follows 0071.
"""

import sqlalchemy as sa
from alembic import op

from hub import tables

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reactions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("post", sa.Uuid(), nullable=False),
        sa.Column("account", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("created_at", tables.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["post"], ["posts.id"], name=op.f("fk_reactions_post_posts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reactions")),
        sa.UniqueConstraint("post", "account", name=op.f("uq_reactions_post_account")),
    )
    with op.batch_alter_table("reactions") as batch_op:
        batch_op.create_index(batch_op.f("ix_reactions_account"), ["account"], unique=False)
        batch_op.create_index(batch_op.f("ix_reactions_post"), ["post"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("reactions") as batch_op:
        batch_op.drop_index(batch_op.f("ix_reactions_post"))
        batch_op.drop_index(batch_op.f("ix_reactions_account"))
    op.drop_table("reactions")
