"""What has run: one row each firing, kept for a while."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlmodel import Session, col

from loop.app import App
from loop.models import JobRun
from loop.store import table

KEPT: Final = timedelta(days=14)
KEPT_IDLE: Final = timedelta(days=2)
"""Where there was nothing to do: of the job that delivers, that is thousands of rows a day."""


def newest(session: Session, names: Iterable[str]) -> dict[str, JobRun]:
    """Return the newest firing of each of these jobs that has one."""
    found = {}
    for name in names:
        each = select(JobRun).where(col(JobRun.name) == name)
        last = session.scalars(each.order_by(col(JobRun.started_at).desc()).limit(1)).first()
        if last is not None:
            found[name] = last
    return found


def forget_old(app: App) -> int:
    """Let go of old firings, though never of a job's newest; return how many."""
    runs, later = table(JobRun), table(JobRun).alias()
    newer = select(later.c.id).where(
        later.c.name == runs.c.name, later.c.started_at > runs.c.started_at
    )
    idle = (runs.c.result == "") & (runs.c.problem == "")
    old = runs.c.lease_until < app.now() - KEPT
    old_and_idle = (runs.c.lease_until < app.now() - KEPT_IDLE) & idle
    with app.store.write() as session:
        gone = session.connection().execute(delete(runs).where(old | old_and_idle, newer.exists()))
    return gone.rowcount
