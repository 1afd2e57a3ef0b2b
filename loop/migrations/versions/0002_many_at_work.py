"""Many at work on one database: who holds what, and until when.

Each part is a function of its own. All that is in the database stays in it.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step, a part after the other."""
