"""Everything in one process: APScheduler as the clock, each job in a thread, one at a time.

The scheduler keeps nothing and decides nothing: at each tick the database says what is due.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from loop import schedule
from loop.app import App, utc_now
from loop.outbox import reap
from loop.slots import Every

TICK_S: Final = 1.0
log: Final = logging.getLogger(__name__)


@contextmanager
def running(app: App) -> Iterator[None]:
    """Run the jobs until the block ends; then let each finish the page or batch in hand."""
    freed = reap(app, all_claims=app.store.lite)  # others may be at work on PostgreSQL
    if freed:
        log.warning("%d effects were claimed when the program last stopped", freed)
    if app.store.lite:
        schedule.abandoned(app)
    planned = schedule.planned(app).values()
    often = [each.plan.seconds for each in planned if isinstance(each.plan, Every)]
    clock = BackgroundScheduler(timezone="UTC")
    with ThreadPoolExecutor(len(planned), "job") as threads:
        clock.add_job(
            _Ticks(app, threads),
            "interval",
            seconds=min([TICK_S, *often]),
            next_run_time=utc_now(),
            coalesce=True,
            misfire_grace_time=None,
        )
        clock.start()
        try:
            yield
        finally:
            app.stopping.set()
            clock.shutdown(wait=True)


class _Ticks:
    """Asks what is due, and gives each firing a thread; a job has one firing at a time."""

    def __init__(self, app: App, threads: ThreadPoolExecutor) -> None:
        self.app = app
        self.threads = threads
        self.well = True

    def __call__(self) -> None:
        """Tick; where the database does not answer, that is told once."""
        try:
            for firing in schedule.tick(self.app):
                self.threads.submit(self._fire, firing)
        except DBAPIError as error:
            if self.well:
                log.warning("nothing runs: the database does not answer: %s", error.orig)
            self.well = False
        else:
            self.well = True

    def _fire(self, firing: schedule.Firing) -> None:
        try:
            schedule.fire(self.app, firing)
        except Exception:
            log.exception("job %s: it is not known how it went, it is run again", firing.name)
