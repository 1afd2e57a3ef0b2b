"""Many processes on one PostgreSQL, woken by Procrastinate.

Our tables are the truth; a job of Procrastinate's is a wake-up and nothing more: "drain this
lane". Each worker sweeps every few seconds for what is due and defers a wake-up for it, under a
queueing lock: the same one never waits twice. So a lost job loses nothing, and one that fails
needs no second try of its own: what it stands for is still due at the next sweep.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from sqlalchemy import exists, literal, literal_column, select, text, union_all
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from loop import schedule
from loop.app import App
from loop.engine.connector import connector
from loop.models import Effect
from loop.outbox.deliver import batches
from loop.store import Outdated, Store

TURN_S: Final = 10.0
"""As long as one wake-up may have a lane; then it goes to the end of the queue."""
HEARTBEAT_S: Final = 5.0
SILENT_S: Final = 20.0
"""A worker that was not heard of for so long is dead, and others take over its jobs."""
POLL_S: Final = 2.0
"""Between two looks at the queue where nobody can be woken."""
POLL_LISTENING_S: Final = 10.0
HEARS_S: Final = 2.0
PAUSE_S: Final = 3.0
ENDS_S: Final = 15.0
"""Then what is still at work is left to end by itself."""
log: Final = logging.getLogger(__name__)


class Worker:
    """One process among several: it sweeps for what is due, and works when it is woken."""

    def __init__(self, app: App, only: Sequence[str] = (), concurrency: int = 4) -> None:
        """Take wake-ups for the lanes and jobs of these names, or for all."""
        self._app, self._concurrency = app, concurrency
        self._names = list(only) or [*schedule.lanes(app), *schedule.JOBS]
        self._jobs = procrastinate.App(connector=connector(app.store))
        self._jobs.task(name="deliver")(self._deliver)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def run(self) -> None:
        """Work until `stop` is called, and then finish the batches in hand."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """End soon; may be called from a signal's handler or another thread."""
        self._app.stopping.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(self._concurrency + 1, "worker"))
        async with self._jobs.open_async():
            if not await self._jobs.check_connection_async():
                message = "the database has no table for wake-ups yet: npsloop db upgrade"
                raise Outdated(message)
            sweeping = asyncio.create_task(self._sweep_on())
            while not self._app.stopping.is_set():
                await self._work()
            sweeping.cancel()

    async def _work(self) -> None:
        """Take wake-ups until the process is to end, or the database is in the way."""
        listens = not self._app.config.database.pooler and await hears(self._app.store)
        poll_s = POLL_LISTENING_S if listens else POLL_S
        log.info("worker %s, %s", self._app.worker, "listening" if listens else "polling")
        working = asyncio.create_task(
            self._jobs.run_worker_async(
                queues=self._names,
                name=self._app.worker,
                concurrency=self._concurrency,
                listen_notify=listens,
                fetch_job_polling_interval=poll_s,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=SILENT_S,
                shutdown_graceful_timeout=ENDS_S,
            )
        )
        told = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()  # which lets the jobs at work end
        try:
            with suppress(asyncio.CancelledError):
                await working
        except ConnectorException as error:
            log.warning("the database was in the worker's way: %s", error.__cause__ or error)
        if not told.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(told, PAUSE_S)

    async def _deliver(self, lane: str) -> None:
        """Drain a lane for a while, and call for another where there is more to do."""
        until = time.monotonic() + TURN_S
        drained, first = batches(self._app, lane, schedule.HANDLERS), True
        while (batch := await asyncio.to_thread(next, drained, None)) is not None:
            if batch.stopped is not None:
                return  # nobody else would get further: the next sweep looks again
            over = time.monotonic() > until
            if first or over:
                await self._wake([lane])
            if over:
                return
            first = False

    async def _sweep_on(self) -> None:
        """Look for what is due, every `schedule.deliver_s` seconds."""
        away = False
        while True:
            try:
                await self._wake(schedule.lanes(self._app))
                await self._take_over()
                away = False
            except (ConnectorException, DBAPIError) as error:
                if not away:
                    log.warning("the database was in the sweep's way: %s", error)
                away = True
            except Exception:
                log.exception("the sweep met a bug of ours")
            await asyncio.sleep(self._app.config.schedule.deliver_s)

    async def _wake(self, lanes: Sequence[str]) -> None:
        """Defer a wake-up for each of these lanes in which something is due."""
        for lane in await asyncio.to_thread(due, self._app, lanes):
            job = self._jobs.configure_task("deliver", queue=lane, queueing_lock=lane)
            with suppress(AlreadyEnqueued):
                await job.defer_async(lane=lane)

    async def _take_over(self) -> None:
        """Let others have the jobs of workers that have gone silent."""
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


async def hears(store: Store) -> bool:
    """Tell whether LISTEN works: a pooler may refuse it, or take it and never tell anything."""
    channel = f"npsloop_{uuid4().hex}"
    settings = store.connect_args() | {"autocommit": True}
    try:
        async with await psycopg.AsyncConnection.connect(**settings) as ear:
            await ear.execute(f"LISTEN {channel}".encode())
            async with await psycopg.AsyncConnection.connect(**settings) as mouth:
                await mouth.execute(f"NOTIFY {channel}".encode())
            async for _ in ear.notifies(timeout=HEARS_S, stop_after=1):
                return True
    except psycopg.Error as error:
        log.info("LISTEN is refused: %s", error)
    return False


def at_work(store: Store) -> int:
    """Return how many workers were heard of lately."""
    asked = text(
        "SELECT count(*) FROM procrastinate.procrastinate_workers "
        "WHERE last_heartbeat > now() - make_interval(secs => :silent_s)"
    )
    with store.read() as session:
        return int(session.connection().scalar(asked, {"silent_s": SILENT_S}) or 0)
