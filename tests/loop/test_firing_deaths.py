"""A firing whose process dies, is too slow or is told to stop; and many processes at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from loop import schedule
from loop.schedule import firing
from loop.store import Store
from tests.loop.conftest import MONDAY, World, make_world
from tests.loop.firings import Work, other, run_due, runs, work

__all__ = ["work"]


def test_what_a_dead_process_left_is_taken_up_when_its_lease_ends(world: World, work: Work) -> None:
    """The same slot, and it counts as tried twice."""
    [taken] = schedule.tick(other(world))
    firing._begin(other(world), taken)

    world.clock.forward(seconds=59)
    assert run_due(world.app) == 0
    world.clock.forward(seconds=1)
    assert run_due(world.app) == 1

    [run] = runs(world)
    assert (run.slot, run.tries, run.worker) == (MONDAY, 2, "test")


def test_what_was_taken_and_never_begun_is_taken_up_too(world: World, work: Work) -> None:
    schedule.tick(other(world))
    world.clock.forward(minutes=1)

    assert run_due(world.app) == 1
    assert work.count == 1


def test_one_firing_is_begun_once(world: World, work: Work) -> None:
    """Though two processes were told of it, or one twice."""
    [taken] = schedule.tick(world.app)

    assert schedule.fire(other(world), taken)
    assert not schedule.fire(world.app, taken)

    assert work.count == 1


def test_a_job_never_runs_twice_at_the_same_time(world: World, work: Work) -> None:
    """Not for its next slot, not by hand; its lease is renewed for as long as it runs."""
    seen = []

    def look() -> None:
        world.clock.forward(minutes=16)
        firing._change(world.app, begun, lease_until=world.clock.at + firing.LEASE)
        seen.extend(schedule.tick(other(world)))
        with pytest.raises(schedule.AtWork, match="pull runs since 2030-01-07 09:00 UTC"):
            schedule.run(other(world), "pull")

    work.does = look
    [taken] = schedule.tick(world.app)
    begun = replace(taken, tries=1)
    schedule.fire(world.app, taken)

    assert seen == []
    assert len(schedule.tick(other(world))) == 1


def test_the_lease_is_renewed_while_a_job_runs(
    world: World, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "RENEW_S", 0.01)

    def wait() -> None:
        world.clock.forward(minutes=5)
        until = time.monotonic() + 10
        while runs(world)[0].lease_until < world.clock.at and time.monotonic() < until:
            time.sleep(0.01)

    work.does = wait
    run_due(world.app)

    assert runs(world)[0].lease_until == world.clock.at + firing.LEASE


def test_who_lost_its_lease_records_nothing(
    world: World, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else has it by now, and says how it went."""

    def freeze() -> None:
        work.does = lambda: None
        world.clock.forward(minutes=2)
        run_due(other(world))

    work.does = freeze
    run_due(world.app)

    [run] = runs(world)
    assert (run.worker, run.result, run.tries) == ("another", "2 times", 2)
    assert "took too long" in caplog.text


@pytest.mark.parametrize("processes", [2, 4])
def test_many_at_once_fire_each_slot_once(store: Store, work: Work, processes: int) -> None:
    """They all ask all the time."""
    world = make_world(store, programs={}, schedule={"pull_s": 1})
    over = threading.Event()

    def live(n: int) -> None:
        app = replace(world.app, worker=f"worker {n}")
        while not over.is_set():
            run_due(app)

    with ThreadPoolExecutor(processes) as pool:
        lives = [pool.submit(live, n) for n in range(processes)]
        for second in range(20):
            until = time.monotonic() + 20
            while work.count <= second and time.monotonic() < until:
                time.sleep(0.002)
            world.clock.forward(seconds=1)
        over.set()
        for one in lives:
            one.result(timeout=30)

    slots = [run.slot for run in runs(world)]
    assert slots[:20] == [MONDAY + timedelta(seconds=n) for n in range(20)]
    assert work.count == len(slots) == len(set(slots))


def test_a_clock_that_jumps_back_repeats_nothing(world: World, work: Work) -> None:
    for _ in range(4):
        run_due(world.app)
        world.clock.forward(minutes=15)
    world.clock.forward(minutes=-50)

    for _ in range(60):
        run_due(world.app)
        world.clock.forward(minutes=1)

    assert work.count == 5


def test_a_clock_that_was_years_ahead_stops_nothing(world: World, work: Work) -> None:
    """What it wrote, also of a lease, is not waited for."""
    world.clock.forward(days=3000)
    run_due(world.app)
    world.clock.forward(minutes=15)
    schedule.tick(other(world))
    world.clock.at = MONDAY

    assert run_due(world.app) == 1
    assert run_due(world.app) == 1
    assert run_due(world.app) == 0
    assert MONDAY in [run.slot for run in runs(world)]


def test_told_to_stop_it_gives_the_slot_back(world: World, work: Work) -> None:
    """The next process goes on with it at once."""
    work.does = world.app.stopping.set
    run_due(world.app)

    assert schedule.tick(world.app) == ()
    next_one = replace(other(world), stopping=threading.Event())
    work.does = lambda: None
    assert run_due(next_one) == 1
    [run] = runs(world)
    assert (run.tries, run.problem) == (2, "")


def test_told_to_stop_a_run_by_hand_is_not_taken_up(world: World, work: Work) -> None:
    """Whoever began it has ended it."""
    work.does = world.app.stopping.set

    assert not schedule.run(world.app, "pull")

    assert "told to stop" in runs(world)[0].problem


def test_the_only_process_waits_for_no_dead_one(world: World, work: Work) -> None:
    schedule.tick(other(world))

    assert schedule.abandoned(world.app) == 1
    assert run_due(world.app) == 1


def test_a_job_that_this_version_does_not_know_is_left_to_others(world: World, work: Work) -> None:
    assert not schedule.fire(world.app, schedule.Firing("1", "later", 0))
