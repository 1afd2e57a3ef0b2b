"""Everything in one process: APScheduler as the clock, each job in a thread, one at a time.

The scheduler keeps nothing: a job's row in the database says when it last ran.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from loop import schedule
from loop.app import App
from loop.models import JobRun
from loop.outbox import reap

log: Final = logging.getLogger(__name__)


@contextmanager
def running(app: App) -> Iterator[None]:
    """Run the jobs until the block ends; then let each finish the page or batch in hand."""
    freed = reap(app, all_claims=app.store.lite)  # others may be at work on PostgreSQL
    if freed:
        log.warning("%d effects were claimed when the program last stopped", freed)
    clock = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(4)})
    for name, job in schedule.JOBS.items():
        clock.add_job(
            schedule.run,
            "interval",
            args=(app, name),
            id=name,
            seconds=job.every(app),
            next_run_time=_next(app, name),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    clock.start()
    try:
        yield
    finally:
        app.stopping.set()
        clock.shutdown(wait=True)


def _next(app: App, name: str) -> object:
    """Return when a job is due: at once, or an interval after its last run."""
    with app.store.read() as session:
        row = session.get(JobRun, name)
    if row is None:
        return app.now()
    return max(app.now(), row.started_at + timedelta(seconds=schedule.JOBS[name].every(app)))
