"""events of a kind, posts of a channel and merges of an experiment are found without all the others

Revision: 0077
Follows 0076.
"""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None
MERGES = sa.text("second_parent IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_events_type", "events")
    op.create_index("ix_events_type_goal_seq", "events", ["type", "goal", "seq"])
    op.create_index("ix_posts_channel_seq", "posts", ["channel", "seq"])
    op.create_index(
        "ix_experiments_goal_second_parent",
        "experiments",
        ["goal", "second_parent", "number"],
        sqlite_where=MERGES,
        postgresql_where=MERGES,
    )


def downgrade() -> None:
    op.drop_index("ix_experiments_goal_second_parent", "experiments")
    op.drop_index("ix_posts_channel_seq", "posts")
    op.drop_index("ix_events_type_goal_seq", "events")
    op.create_index("ix_events_type", "events", ["type"])
