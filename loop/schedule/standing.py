"""How each job stands: when it last ran, how that went, and when it runs again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from loop import models
from loop.app import App
from loop.models import JobRun
from loop.schedule.firing import waits
from loop.schedule.jobs import Planned, planned
from loop.schedule.past import newest
from loop.slots import Every


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a job stands."""

    name: str
    what: str
    plan: str
    """`every 15 minutes`, `Mon-Fri 09:00 Europe/Berlin`."""
    last: JobRun | None
    next_run: datetime | None
    """None where it is paused; now, where it is due."""
    paused_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """Return how long the last run took; None where there is none, or it goes on."""
        if self.last is None or self.last.ended_at is None:
            return None
        return round((self.last.ended_at - self.last.started_at).total_seconds(), 1)


def standings(app: App, session: Session) -> Sequence[Standing]:
    """Return how every job stands."""
    rows = {row.name: row for row in session.exec(select(models.Job))}
    known = planned(app)
    last = newest(session, known)
    return [
        Standing(
            name=name,
            what=each.job.what,
            plan=str(each.plan),
            last=last.get(name),
            next_run=_next(app, each, rows.get(name)),
            paused_at=row.paused_at if (row := rows.get(name)) else None,
        )
        for name, each in known.items()
    ]


def _next(app: App, each: Planned, row: models.Job | None) -> datetime | None:
    now = app.now()
    if row is not None and row.paused_at is not None:
        return None
    new = row is None or row.slot is None
    due = isinstance(each.plan, Every) if new else waits(each, row, now)
    return now if due else each.plan.following(now)
