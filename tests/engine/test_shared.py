"""What one worker makes of its database."""

import asyncio
import logging
import threading

import pytest

from loop import schedule
from loop.engine import connector, shared
from loop.engine.connector import hears
from loop.engine.shared import Worker, at_work, due
from loop.models import JobRun
from loop.outbox.claim import claim
from loop.states import EffectState
from loop.store import Store
from tests.engine.conftest import Plant
from tests.engine.wire import REFUSED, SWALLOWED, wire


def test_it_listens_where_it_is_told_something(database: str) -> None:
    store = Store(database)

    assert asyncio.run(hears(store))

    store.close()


@pytest.mark.parametrize("listen", [REFUSED, SWALLOWED])
def test_it_does_not_listen_where_it_is_told_nothing(
    database: str, listen: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "HEARS_S", 0.2)
    with wire(database, listen) as url:
        store = Store(url)

        assert not asyncio.run(hears(store))

        store.close()


def test_only_lanes_with_something_due_are_woken(plant: Plant) -> None:
    plant.ask(1)
    lanes = ["mail.letters", "memory_crm.scores"]

    assert due(plant.app, lanes) == ["mail.letters"]
    with plant.app.store.write() as session:
        session.connection().exec_driver_sql("UPDATE effect SET due_at = now() + interval '1 day'")
    assert due(plant.app, lanes) == []


def test_it_works_until_it_is_told_to_end(plant: Plant) -> None:
    worker = Worker(plant.app)
    thread = threading.Thread(target=worker.run)
    thread.start()
    plant.ask(30)

    plant.wait_until(lambda: plant.states() == {EffectState.DONE: 30})
    plant.wait_until(lambda: {run.name for run in plant.all(JobRun)} == set(schedule.JOBS))
    seen = at_work(plant.app.store)
    worker.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert (seen, at_work(plant.app.store)) == (1, 0)
    assert len(plant.sendgrid.state.inbox) == 30


def test_what_the_dead_had_claimed_is_freed(plant: Plant) -> None:
    plant.ask(3)
    assert claim(plant.app, "mail.letters", 2)
    with plant.app.store.write() as session:
        session.connection().exec_driver_sql("UPDATE call SET lease_until = now()")
    worker = Worker(plant.app)
    thread = threading.Thread(target=worker.run)
    thread.start()

    plant.wait_until(
        lambda: plant.states() == {EffectState.UNKNOWN: 2, EffectState.DONE: 1},
    )
    worker.stop()
    thread.join(20)


def test_it_goes_on_after_an_outage(
    plant: Plant, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PAUSE_S", 0.1)
    caplog.set_level(logging.INFO)
    worker = Worker(plant.app)
    thread = threading.Thread(target=worker.run)
    thread.start()
    plant.wait_until(lambda: at_work(plant.app.store) == 1)

    with plant.app.store.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    plant.ask(1)
    plant.wait_until(lambda: plant.states() == {EffectState.DONE: 1})
    worker.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert "bug of ours" not in caplog.text


async def wake_ups(worker: Worker) -> list[tuple[str, str]]:
    """Return the lane and the state of each wake-up."""
    found = await worker._jobs.job_manager.list_jobs_async()
    return [(job.queue, job.status) for job in found]


def test_the_same_wake_up_never_waits_twice(plant: Plant) -> None:
    plant.ask(1)
    worker = Worker(plant.app)

    async def wake_twice() -> list[tuple[str, str]]:
        async with worker._jobs.open_async():
            await worker._wake(["mail.letters"])
            await worker._wake(["mail.letters"])
            return await wake_ups(worker)

    assert asyncio.run(wake_twice()) == [("mail.letters", "todo")]


@pytest.mark.parametrize("wakes", [1, 2])
def test_the_wake_ups_of_the_dead_are_taken_over(plant: Plant, wakes: int) -> None:
    plant.ask(1)
    worker = Worker(plant.app)

    async def die() -> list[tuple[str, str]]:
        async with worker._jobs.open_async():
            manager = worker._jobs.job_manager
            number = await manager.register_worker()
            await worker._wake(["mail.letters"])
            assert await manager.fetch_job(["mail.letters"], number)
            await worker._wake(["mail.letters"] * (wakes - 1))
            with plant.app.store.write() as session:
                session.connection().exec_driver_sql(
                    "UPDATE procrastinate.procrastinate_workers"
                    " SET last_heartbeat = last_heartbeat - interval '1 hour'"
                )
            await worker._take_over()
            return await wake_ups(worker)

    assert asyncio.run(die()) == [("mail.letters", "todo")]
    assert at_work(plant.app.store) == 0
