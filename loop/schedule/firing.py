"""Fires each slot of a job once, whoever asks, however often, on however many machines.

1. `tick` takes what is due in one short transaction: a row in `jobrun`, unique for its job and
   slot, and unique for its job as long as it has not ended. Only one process can insert it.
2. `fire` begins it (once for each taking), runs it with its lease renewed, and ends it.
3. Where its process dies, the lease ends, and `tick` takes the same row up again.

A job that was not run for a while is made up for once, not once for each slot; a slot that its
job may skip is recorded as skipped.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from connectors.errors import ConnectorError
from loop import models
from loop.app import App
from loop.columns import new_id
from loop.config import Mendable
from loop.models import JobRun
from loop.schedule.jobs import Planned, Run, planned
from loop.slots import At
from loop.store import PASSING, insert_for, table, upsert

LEASE: Final = timedelta(seconds=60)
RENEW_S: Final = 15.0
LATE: Final = timedelta(minutes=15)
"""A slot taken later than this was missed: nothing ran when it came."""
WRONG_CLOCK: Final = timedelta(hours=1)
"""A time further ahead than this was written by a clock that was wrong."""
SKIPPED: Final = "skipped: nothing ran when its time came"
log: Final = logging.getLogger(__name__)


class AtWork(Mendable):
    """The job runs already."""


class NoSuchJob(Mendable):
    """There is no job of this name."""


@dataclass(frozen=True)
class Firing:
    """One run of a job that this process has taken, or that another took for it."""

    id: str
    name: str
    tries: int
    """How often it was begun before: whoever begins it first has it."""


def tick(app: App) -> Sequence[Firing]:
    """Take the slots that are due, each once, whichever process asks; they are to be fired."""
    if app.stopping.is_set():
        return ()
    known = planned(app)
    with app.store.read() as session:
        due = _Seen(app, session).due(known)
    if not due:
        return ()
    fresh = {name: Firing(new_id(), name, 0) for name in due}
    return app.store.work(lambda session: _take(app, session, known, fresh))


def fire(app: App, firing: Firing, run: Run | None = None) -> bool:
    """Run what was taken and record how it went; tell whether it went well.

    False as well where somebody else has begun it: then nothing is done. `run` is run in the
    place of what the job does by itself.
    """
    found = planned(app).get(firing.name)
    begun = _begin(app, firing) if found else None
    if found is None or begun is None:
        log.info("job %s: firing %s is somebody else's", firing.name, firing.id)
        return False
    with _renewed(app, begun):
        result, problem = _ran(app, firing.name, run or found.job.run)
    if app.stopping.is_set() and not problem:
        if _given_back(app, begun):
            return True
        problem = "it was told to stop, and goes on the next time"
    if not _change(app, begun, ended_at=app.now(), result=result, problem=problem):
        log.warning("job %s: firing %s took too long, and was taken up", begun.name, begun.id)
    return not problem


def run(app: App, name: str) -> bool:
    """Run a job now, whatever its plan says; tell whether it went well.

    Raises `AtWork` where it runs already, `NoSuchJob` where there is none of that name.
    """
    _known(app, name)
    fresh = Firing(new_id(), name, 0)
    firing = app.store.work(lambda session: _now(app, session, fresh))
    return fire(app, firing)


def pause(app: App, name: str) -> None:
    """Let a job fire no more; what runs is not interrupted."""
    _known(app, name)
    _set(app, name, paused_at=app.now())


def resume(app: App, name: str) -> None:
    """Let a job fire again, from its next slot on: what was missed meanwhile is let go."""
    _set(app, name, paused_at=None, slot=_known(app, name).plan.latest(app.now()))


def abandoned(app: App) -> int:
    """Let whatever is at work be taken up at once: for the start of the only process.

    Return how many firings that are.
    """
    with app.store.write() as session:
        at_work = col(JobRun.ended_at).is_(None)
        freed = session.connection().execute(
            update(table(JobRun)).where(at_work).values(lease_until=app.now())
        )
    return freed.rowcount


def _known(app: App, name: str) -> Planned:
    try:
        return planned(app)[name]
    except KeyError:
        raise NoSuchJob(f"{name}: there is no such job: npsloop jobs list shows them") from None


def _set(app: App, name: str, **values: datetime | None) -> None:
    row = {"name": name, **values}
    with app.store.write() as session:
        upsert(session, models.Job, [row], key=("name",), update=tuple(values))


class _Seen:
    """What the database says of all jobs."""

    def __init__(self, app: App, session: Session) -> None:
        self.now = app.now()
        unended = select(JobRun).where(col(JobRun.ended_at).is_(None))
        self.rows = {row.name: row for row in session.scalars(select(models.Job))}
        self.open = {run.name: run for run in session.scalars(unended)}

    def has(self, firing: Firing) -> bool:
        """Tell whether this very firing is at work: the commit was kept, and nobody heard of it."""
        run = self.open.get(firing.name)
        return run is not None and run.id == firing.id

    def due(self, known: Mapping[str, Planned]) -> list[str]:
        """Return the names of the jobs that are due."""
        return [name for name, each in known.items() if self._due(name, each)]

    def _due(self, name: str, each: Planned) -> bool:
        row, run = self.rows.get(name), self.open.get(name)
        if row is not None and row.paused_at is not None:
            return False
        return dead(run, self.now) if run else waits(each, row, self.now)


def waits(each: Planned, row: models.Job | None, now: datetime) -> bool:
    """Tell whether there is a slot that was not taken yet, or the job is new."""
    if row is None or row.slot is None:
        return True
    return row.slot < each.plan.latest(now) or row.slot > now + WRONG_CLOCK


def dead(run: JobRun, now: datetime) -> bool:
    """Tell whether nobody is at it any more: its lease was not renewed."""
    return not now < run.lease_until <= now + WRONG_CLOCK


def _take(
    app: App, session: Session, known: Mapping[str, Planned], fresh: Mapping[str, Firing]
) -> list[Firing]:
    """Take what is still due of what was; also what was kept at a commit that broke."""
    seen = _Seen(app, session)
    wanted = {name: known[name] for name in fresh}
    taken: list[Firing | None] = [each for each in fresh.values() if seen.has(each)]
    for name in seen.due(wanted):
        slot = wanted[name].plan.latest(seen.now)
        if name in seen.open:
            taken.append(_taken_up(app, session, seen.open[name]))
        elif not _lets_go(wanted[name], seen.rows.get(name), slot, seen.now):
            taken.append(_taken(app, session, fresh[name], slot))
        else:
            if name in seen.rows:
                _insert(app, session, fresh[name], slot, ended_at=seen.now, result=SKIPPED)
            _reach(session, name, slot)
    return [firing for firing in taken if firing is not None]


def _lets_go(each: Planned, row: models.Job | None, slot: datetime, now: datetime) -> bool:
    """Tell whether a slot passes by: the job is new and waits for its time, or skips it."""
    if row is None or row.slot is None:
        return isinstance(each.plan, At)
    return each.skips_missed and now - slot > LATE


def _now(app: App, session: Session, fresh: Firing) -> Firing:
    """Take a job at once, for no slot; where one died at it, what it left is taken up."""
    seen, name = _Seen(app, session), fresh.name
    if seen.has(fresh):
        return fresh
    run = seen.open.get(name)
    died = run is not None and dead(run, app.now())
    firing = _taken_up(app, session, run) if run and died else _insert(app, session, fresh, None)
    if firing is None:
        raise AtWork(_words(run) if run else f"{name}: it was begun just now: npsloop jobs list")
    return firing


def _words(run: JobRun) -> str:
    since = f"{run.started_at:%Y-%m-%d %H:%M} UTC"
    return f"{run.name} runs since {since} ({run.worker}): wait until it has ended"


def _taken(app: App, session: Session, fresh: Firing, slot: datetime) -> Firing | None:
    """Take a slot; None where somebody else has it, or has had it."""
    firing = _insert(app, session, fresh, slot)
    if firing is not None:
        _reach(session, fresh.name, slot)
    return firing


def _taken_up(app: App, session: Session, run: JobRun) -> Firing | None:
    """Take up what another process died at; None where somebody else has done so."""
    log.warning("job %s: %s died at it, or was too slow; it is taken up", run.name, run.worker)
    mine = update(table(JobRun)).where(
        col(JobRun.id) == run.id,
        col(JobRun.lease_until) == run.lease_until,
        col(JobRun.ended_at).is_(None),
    )
    values = {"worker": app.worker, "lease_until": app.now() + LEASE}
    taken = session.connection().execute(mine.values(values)).rowcount == 1
    return Firing(run.id, run.name, run.tries) if taken else None


def _insert(
    app: App, session: Session, firing: Firing, slot: datetime | None, **values: object
) -> Firing | None:
    """Insert the row of a firing, unless there is one for its slot or its job is at work."""
    row = {"id": firing.id, "name": firing.name, "slot": slot, "tries": firing.tries}
    row |= {"problem": "", "result": ""}
    added = insert_for(session.get_bind().dialect, JobRun).values(row | _held(app) | values)
    added = added.on_conflict_do_nothing().returning(col(JobRun.id))
    return firing if session.connection().scalar(added) else None


def _reach(session: Session, name: str, slot: datetime) -> None:
    row = {"name": name, "slot": slot}
    upsert(session, models.Job, [row], key=("name",), update=("slot",))


def _held(app: App) -> dict[str, object]:
    now = app.now()
    return {"worker": app.worker, "started_at": now, "lease_until": now + LEASE}


def _begin(app: App, firing: Firing) -> Firing | None:
    """Make a firing ours; None where somebody has begun it since it was taken."""
    begun = Firing(firing.id, firing.name, firing.tries + 1)
    return begun if _change(app, firing, **_held(app), tries=begun.tries) else None


def _change(app: App, firing: Firing, **values: object) -> bool:
    """Change the row of a firing; tell whether it is still ours to change.

    Where the connection broke at the commit, look whether the change was kept.
    """
    tried: list[Session] = []
    as_wanted = [col(getattr(JobRun, name)) == value for name, value in values.items()]

    def unit(session: Session) -> bool:
        kept = exists().where(col(JobRun.id) == firing.id, *as_wanted)
        if tried and session.scalar(select(kept)):
            return True
        tried.append(session)
        return _changed(session, firing, values)

    return app.store.work(unit)


def _changed(
    session: Session, firing: Firing, values: Mapping[str, object], *also: ColumnElement[bool]
) -> bool:
    ours = col(JobRun.id) == firing.id, col(JobRun.tries) == firing.tries
    unended = col(JobRun.ended_at).is_(None)
    statement = update(table(JobRun)).where(*ours, unended, *also).values(values)
    return session.connection().execute(statement).rowcount == 1


def _given_back(app: App, firing: Firing) -> bool:
    """Let somebody else go on with a slot that this process was told to stop at."""
    planned_only = col(JobRun.slot).is_not(None)
    values = {"lease_until": app.now()}
    return app.store.work(lambda session: _changed(session, firing, values, planned_only))


@contextmanager
def _renewed(app: App, firing: Firing) -> Iterator[None]:
    """Renew the lease until the block ends."""
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(app, firing, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew(app: App, firing: Firing, over: threading.Event) -> None:
    while not over.wait(RENEW_S):
        try:
            if not _change(app, firing, lease_until=app.now() + LEASE):
                return
        except DBAPIError as error:
            log.warning("job %s: its lease was not renewed: %s", firing.name, type(error).__name__)


def _ran(app: App, name: str, run: Run) -> tuple[str, str]:
    """Run a job; return what came of it, and what went wrong."""
    try:
        return run(app), ""
    except ConnectorError as error:
        log.warning("job %s: %s", name, error)
        return "", str(error)
    except PASSING as error:
        log.warning("job %s: the database was in the way: %s", name, type(error).__name__)
        return "", "the database was in the way: it runs again"
    except Exception as error:
        log.exception("job %s met a bug of ours", name)
        return "", f"a bug of ours: {type(error).__name__}; see the log"
