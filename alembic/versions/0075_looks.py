"""owners who were here before look-alikes were refused are told apart by their looks as well

Revision: 0075
Follows 0074. Revision 0010 took their names for their looks.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

ALIKE = (("0", "o"), ("1", "l"), ("5", "s"), ("i", "l"), ("rn", "m"), ("vv", "w"))
"""As `hub.agents.looks_like` has them."""


def upgrade() -> None:
    owners = sa.table("owners", sa.column("name", sa.String), sa.column("look", sa.String))
    look: Any = owners.c.name
    for one, other in ALIKE:
        look = sa.func.replace(look, one, other)
    op.execute(owners.update().values(look=look))


def downgrade() -> None:
    """Looks that are right harm no older hub."""
