"""What one worker makes of its database."""

import asyncio

import pytest

from loop.engine import connector
from loop.engine.connector import hears
from loop.engine.shared import Worker, at_work, due
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
