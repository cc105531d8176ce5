"""logs and curves are committed with their run, and reach the folder or bucket later

Revision: 0074
Follows 0073.
"""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_blobs",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_waiting_blobs")),
    )


def downgrade() -> None:
    op.drop_table("waiting_blobs")
