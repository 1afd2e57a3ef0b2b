"""Many at work on one database: who holds what, and until when.

Each part is a function of its own. All that is in the database stays in it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
works_for = ()
"""Version 0001 looks at no such word, and takes every other shape for a wrong one."""


def upgrade() -> None:
    """Take the step, a part after the other."""
    _calls()
    _budgets()
    _side_by_side()
    _look_ups()
    _jobs()


# Calls: what a worker holds is no longer said by each effect, but once for its batch


def _calls() -> None:
    op.create_table(
        "call",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("alone", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index(
        "call_open", "call", ["lease_until"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index(
        "call_alone", "call", ["alone"], unique=True, sqlite_where=is_open, postgresql_where=is_open
    )
    with op.batch_alter_table("effect") as effect:
        effect.add_column(sa.Column("call_id", sa.String(), nullable=True))
    _hold()
    with op.batch_alter_table("effect") as effect:
        effect.drop_column("worker")
        effect.drop_column("lease_until")


def _hold() -> None:
    """Let what is claimed be held by a call: one for each worker, lane and lease."""
    op.execute(
        "INSERT INTO call (id, lane, worker, size, started_at, lease_until, problem)"
        " SELECT min(id), lane, worker, count(*), lease_until, lease_until, ''"
        " FROM effect WHERE state = 'claimed' GROUP BY lane, worker, lease_until"
    )
    op.execute(
        "UPDATE effect SET call_id = (SELECT call.id FROM call WHERE call.lane = effect.lane"
        " AND call.worker = effect.worker AND call.lease_until = effect.lease_until)"
        " WHERE state = 'claimed'"
    )


# Budgets: what a service allows is counted for all processes together


def _budgets() -> None:
    op.create_table(
        "budget",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("calls", sa.Integer()),
        sa.Column("slices", sa.JSON(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
    )


# Two versions at work while one takes the place of the other


def _side_by_side() -> None:
    op.create_table(
        "compatible",
        sa.Column("revision", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )


# Look-ups: what a query goes by where there are millions, and no index that none goes by


def _look_ups() -> None:
    op.drop_index("ix_customer_address_hash", "customer")
    op.create_index("customer_by_hash", "customer", ["address_hash", "id"])
    op.create_index("ix_survey_contact_id", "survey", ["contact_id"])
    op.create_index("ix_trigger_contact_id", "trigger", ["contact_id"])
    stands = sa.text("stage IN ('chosen', 'asked')")
    op.create_index(
        "survey_open", "survey", ["expires_at"], sqlite_where=stands, postgresql_where=stands
    )
    op.create_index("ix_mailevent_at", "mailevent", ["at"])
    op.drop_index("effect_open", "effect")
    for state, column in (("claimed", "call_id"), ("unknown", "settled_at"), ("refused", "lane")):
        so = sa.text(f"state = '{state}'")
        op.create_index(f"effect_{state}", "effect", [column], sqlite_where=so, postgresql_where=so)
    op.drop_index("ix_ledger_reason", "ledger")
    with op.batch_alter_table("ledger", recreate="always") as ledger:
        ledger.create_primary_key("ledger_pkey", ["customer_id", "program"])


# Jobs: each firing has a row of its own


def _jobs() -> None:
    """Give each firing of a job a row of its own; the last one is kept, and begins the plan."""
    connection = op.get_bind()
    last = connection.execute(sa.text("SELECT * FROM jobrun")).mappings().all()
    op.drop_table("jobrun")
    op.create_table(
        "job",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "jobrun",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "slot"),
    )
    op.create_index("jobrun_newest", "jobrun", ["name", "started_at"])
    unended = sa.text("ended_at IS NULL")
    op.create_index(
        "jobrun_open",
        "jobrun",
        ["name"],
        unique=True,
        sqlite_where=unended,
        postgresql_where=unended,
    )
    job = sa.text("INSERT INTO job (name, slot) VALUES (:name, :started_at)")
    run = sa.text(
        "INSERT INTO jobrun (id, name, worker, tries, started_at, lease_until, ended_at, problem,"
        " result) VALUES (:id, :name, '', 1, :started_at, :started_at, :ended_at, :problem, '')"
    )
    for row in last:
        connection.execute(job, {"name": row["name"], "started_at": row["started_at"]})
        connection.execute(run, {"id": f"last-{row['name']}", **row})
