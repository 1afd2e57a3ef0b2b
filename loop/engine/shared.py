"""Many processes on one PostgreSQL, woken by Procrastinate.

Our tables are the truth; a job of Procrastinate's is a wake-up and nothing more: "drain this
lane", "run this firing". Whoever sees first that something is due defers its wake-up, under a
queueing lock: the same one never waits twice. So a lost wake-up loses nothing, and one that fails
needs no second try of its own: what it stands for is still due, and wakes somebody again.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from sqlalchemy import exists, literal, literal_column, select, text, union_all
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from loop import schedule
from loop.app import App
from loop.engine.connector import connector, hears
from loop.models import Effect
from loop.outbox import reap
from loop.outbox.deliver import batches
from loop.schedule import Firing
from loop.store import Outdated, Store

TICK_S: Final = 1.0
TURN_S: Final = 10.0
"""As long as one wake-up may have a lane; then it goes to the end of the queue."""
HEARTBEAT_S: Final = 5.0
SILENT_S: Final = 20.0
"""A worker that was not heard of for so long is dead, and others take over its wake-ups."""
POLL_S: Final = 2.0
"""Between two looks at the queue where nobody can be woken."""
POLL_LISTENING_S: Final = 10.0
PAUSE_S: Final = 3.0
"""Before going on where the database was in the way."""
ENDS_S: Final = 15.0
"""Then what is still at work is left to end by itself."""
DELIVER: Final = "deliver"
"""The job that wakes the lanes; in one process alone it drains them."""
log: Final = logging.getLogger(__name__)


class Worker:
    """One process among several: it looks for what is due, and works when it is woken."""

    def __init__(self, app: App, only: Sequence[str] = (), concurrency: int = 4) -> None:
        """Take wake-ups for the lanes and jobs of these names, or for all."""
        self._app, self._concurrency = app, concurrency
        self._names = list(only) or names(app)
        self._jobs = procrastinate.App(connector=connector(app.store))
        self._jobs.task(name="drain")(self._drain)
        self._jobs.task(name="fire")(self._fire)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def run(self) -> None:
        """Work until `stop` is called, and then finish what is in hand."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """End soon; may be called from a signal's handler or another thread."""
        self._app.stopping.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(self._concurrency + 2, "worker"))
        async with self._jobs.open_async():
            if not await self._jobs.check_connection_async():
                message = "the database has no table for wake-ups yet: npsloop db upgrade"
                raise Outdated(message)
            looking = asyncio.create_task(self._look_on())
            while not self._app.stopping.is_set():
                await self._work()
            looking.cancel()

    async def _work(self) -> None:
        """Take wake-ups until the process is to end, or the database is in the way."""
        listens = not self._app.config.database.pooler and await hears(self._app.store)
        log.info("worker %s, %s", self._app.worker, "listening" if listens else "polling")
        working = asyncio.create_task(
            self._jobs.run_worker_async(
                queues=self._names,
                name=self._app.worker,
                concurrency=self._concurrency,
                listen_notify=listens,
                fetch_job_polling_interval=POLL_LISTENING_S if listens else POLL_S,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=SILENT_S,
                shutdown_graceful_timeout=ENDS_S,
            )
        )
        told = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()  # which lets what is at work end
        try:
            with suppress(asyncio.CancelledError):
                await working
        except ConnectorException as error:
            log.warning("the database was in the worker's way: %s", _words(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(told, PAUSE_S)

    async def _look_on(self) -> None:
        """Look for what is due, again and again; an outage is told once when it begins."""
        well, heard = True, time.monotonic()
        while True:
            try:
                await self._look()
                if time.monotonic() - heard > HEARTBEAT_S:
                    await self._take_over()
                    heard = time.monotonic()
                if not well:
                    log.info("the database answers again")
                well = True
            except (ConnectorException, DBAPIError) as error:
                if well:
                    log.warning("nothing is woken: the database does not answer: %s", _words(error))
                well = False
            except Exception:
                log.exception("looking for what is due met a bug of ours")
            await asyncio.sleep(TICK_S)

    async def _look(self) -> None:
        """Take the firings that are due, and defer a wake-up for each."""
        for firing in await asyncio.to_thread(schedule.tick, self._app):
            if firing.name == DELIVER:
                await asyncio.to_thread(schedule.fire, self._app, firing, self._wake_from_thread)
            else:
                await self._defer("fire", firing.name, firing.id, firing=asdict(firing))

    async def _fire(self, firing: dict[str, Any]) -> None:
        """Run a firing."""
        await asyncio.to_thread(schedule.fire, self._app, Firing(**firing))

    async def _drain(self, lane: str) -> None:
        """Drain a lane for a while, and call for another where there is more to do."""
        until = time.monotonic() + TURN_S
        drained, first = batches(self._app, lane, schedule.HANDLERS), True
        while (batch := await asyncio.to_thread(next, drained, None)) is not None:
            if batch.stopped is not None:
                return  # nobody else would get further: the next sweep looks again
            over = time.monotonic() > until
            if batch.full and (first or over):
                await self._wake([lane])
            if over:
                return
            first = False

    def _wake_from_thread(self, app: App) -> str:
        """Free what the dead had claimed, and wake every lane in which something is due."""
        assert self._loop is not None
        reap(app)
        waking = asyncio.run_coroutine_threadsafe(self._wake(schedule.lanes(app)), self._loop)
        return ", ".join(waking.result())

    async def _wake(self, lanes: Sequence[str]) -> Sequence[str]:
        """Defer a wake-up for each of these lanes in which something is due."""
        found = await asyncio.to_thread(due, self._app, lanes)
        for lane in found:
            await self._defer("drain", lane, lane, lane=lane)
        return found

    async def _defer(self, task: str, queue: str, lock: str, **given: Any) -> None:  # noqa: ANN401 - any JSON
        with suppress(AlreadyEnqueued):
            job = self._jobs.configure_task(task, queue=queue, queueing_lock=lock)
            await job.defer_async(**given)

    async def _take_over(self) -> None:
        """Let others have the wake-ups of workers that have gone silent."""
        manager = self._jobs.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_S):
            log.warning("taking over %s from a worker that has gone", job.call_string)
            try:
                await manager.retry_job(job, retry_at=datetime.now(UTC))
            except UniqueViolation:  # the same wake-up waits already
                await manager.finish_job(job, Status.FAILED, delete_job=True)
            except ConnectorException:
                log.info("another worker has taken it over")
        await manager.prune_stalled_workers(SILENT_S)


def names(app: App) -> list[str]:
    """Return what a worker can be for: the lanes, and the jobs beside the one that wakes them."""
    return [*schedule.lanes(app), *(name for name in schedule.planned(app) if name != DELIVER)]


def due(app: App, lanes: Sequence[str]) -> list[str]:
    """Return in which of the lanes something is due: one look into the index for each."""
    waits = [
        select(literal(lane)).where(
            exists()
            .where(literal_column("effect.state") == literal_column("'due'"))
            .where(col(Effect.lane) == lane, col(Effect.due_at) <= app.now())
        )
        for lane in lanes
    ]
    with app.store.read() as session:
        return list(session.scalars(union_all(*waits))) if waits else []


def at_work(store: Store) -> int:
    """Return how many workers were heard of lately."""
    asked = text(
        "SELECT count(*) FROM procrastinate.procrastinate_workers "
        "WHERE last_heartbeat > now() - make_interval(secs => :silent_s)"
    )
    with store.read() as session:
        return int(session.connection().scalar(asked, {"silent_s": SILENT_S}) or 0)


def _words(error: ConnectorException | DBAPIError) -> str:
    """Return the first line of what the driver said."""
    said = error.orig if isinstance(error, DBAPIError) else error.__cause__
    return str(said or error).partition("\n")[0]
