"""What has run: one row each firing, kept for a while."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from loop.app import App
from loop.models import JobRun
from loop.store import table

KEPT: Final = timedelta(days=2)
"""Of what went well: the job that delivers leaves thousands of rows a day."""
KEPT_PROBLEMS: Final = timedelta(days=30)


def newest(session: Session) -> dict[str, JobRun]:
    """Return the newest firing of each job."""
    last = select(col(JobRun.name), func.max(col(JobRun.started_at)).label("at"))
    each = last.group_by(col(JobRun.name)).subquery()
    query = select(JobRun).join(
        each, (col(JobRun.name) == each.c.name) & (col(JobRun.started_at) == each.c.at)
    )
    return {run.name: run for run in session.scalars(query.order_by(col(JobRun.id)))}


def forget_old(app: App) -> int:
    """Let go of old firings, though never of a job's newest; return how many."""
    runs, later = table(JobRun), aliased(table(JobRun))
    newer = select(later.c.id).where(
        later.c.name == runs.c.name, later.c.started_at > runs.c.started_at
    )
    before = app.now() - KEPT, app.now() - KEPT_PROBLEMS
    old = (runs.c.lease_until < before[0]) & (runs.c.problem == "")
    very_old = runs.c.lease_until < before[1]
    with app.store.write() as session:
        gone = session.connection().execute(delete(runs).where(old | very_old, newer.exists()))
    return gone.rowcount
