"""columns that nothing read: a brief beside its file, a renderer, a suggestion and a sequence

Revision: 0078
Follows 0077.
"""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None
UNREAD = (
    ("agents", "sequence", sa.Integer(), "0"),
    ("goal_versions", "brief", sa.String(), ""),
    ("orders", "suggestion", sa.String(), ""),
    ("posts", "renderer", sa.Integer(), "1"),
)


def upgrade() -> None:
    for table, name, *_ in UNREAD:
        op.drop_column(table, name)


def downgrade() -> None:
    for table, name, kind, said in UNREAD:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=said))
