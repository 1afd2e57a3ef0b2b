"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
works_for = (${repr(down_revision)},)
"""The versions that work on this shape too: a step only adds, or only takes away what the
version before it no longer uses."""


def upgrade() -> None:
    """Take the step."""
    ${upgrades if upgrades else "pass"}
