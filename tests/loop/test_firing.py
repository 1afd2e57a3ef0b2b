"""Each slot is fired once: whoever asks, however often, whatever dies, whatever the clock says."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from loop import schedule
from loop.models import JobRun, Survey
from loop.schedule import firing, jobs, past
from loop.store import Store
from tests.loop.conftest import MONDAY, World, make_world
from tests.loop.firings import Work, other, run_due, runs, work

__all__ = ["work"]

BERLIN = ZoneInfo("Europe/Berlin")


def at_nine(store: Store, **more: object) -> World:
    """Give a world whose job is at nine in Berlin."""
    at = {"at": {"pull": ["09:00"]}, "timezone": "Europe/Berlin"}
    world = make_world(store, programs={}, schedule=at | more)
    schedule.tick(world.app)
    return world


def test_a_new_job_runs_at_once_and_then_once_a_slot(world: World, work: Work) -> None:
    """However often somebody asks."""
    for _ in range(60):
        run_due(world.app)
        run_due(other(world))
        world.clock.forward(minutes=1)

    assert [run.slot for run in runs(world)] == [
        MONDAY + timedelta(minutes=15 * n) for n in range(4)
    ]
    assert [run.result for run in runs(world)] == ["1 times", "2 times", "3 times", "4 times"]
    assert {run.tries for run in runs(world)} == {1}


def test_two_days_without_power_are_made_up_for_once(world: World, work: Work) -> None:
    """Not 192 times."""
    run_due(world.app)
    world.clock.forward(hours=48)

    for _ in range(30):
        run_due(world.app)
        world.clock.forward(seconds=1)

    assert work.count == 2


def test_a_time_of_the_day_is_made_up_for_once(store: Store, work: Work) -> None:
    world = at_nine(store)
    world.clock.forward(hours=53)

    for _ in range(5):
        run_due(world.app)

    [run] = runs(world)
    assert run.slot == datetime(2030, 1, 9, 9, tzinfo=BERLIN)
    assert world.clock.at.astimezone(BERLIN).hour == 15


def test_a_missed_time_is_skipped_where_that_is_wanted(store: Store, work: Work) -> None:
    """It is recorded; the next one is not skipped, though it comes a minute late."""
    world = at_nine(store, skip_missed=["pull"])
    world.clock.forward(hours=53)

    assert run_due(world.app) == 0
    world.clock.forward(hours=18, minutes=1)
    assert run_due(world.app) == 1

    assert [run.result for run in runs(world)] == [firing.SKIPPED, "1 times"]


def test_a_job_at_a_time_of_the_day_waits_for_it_first(store: Store, work: Work) -> None:
    """Nobody wants this morning's run on the afternoon of the installation."""
    world = at_nine(store)

    assert run_due(world.app) == 0
    assert runs(world) == []
    world.clock.forward(hours=24)
    assert run_due(world.app) == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_a_year_of_nights_has_one_firing_each(sqlite_store: Store, work: Work, zone: str) -> None:
    """Where the clocks change as where they do not; the program is down now and then."""
    at = {"at": {"pull": ["02:30"]}, "timezone": zone}
    world = make_world(sqlite_store, programs={}, schedule=at)
    while world.clock.at < MONDAY + timedelta(days=366):
        run_due(world.app)
        world.clock.forward(hours=11)

    local = Counter(run.slot.astimezone(ZoneInfo(zone)).date() for run in world.all(JobRun))
    assert set(local.values()) == {1}
    assert len(local) == (max(local) - min(local)).days + 1 >= 365


@pytest.fixture
def sqlite_store(sqlite_template: object, tmp_path: object) -> Iterator[Store]:
    path = tmp_path / "npsloop.db"  # type: ignore[operator]
    path.write_bytes(sqlite_template.read_bytes())  # type: ignore[attr-defined]
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


def test_each_program_chooses_at_its_own_time_in_its_own_place(store: Store) -> None:
    programs = {
        "north": {"kind": "relationship", "at": ["Mon 09:00"], "timezone": "Europe/Berlin"},
        "south": {"kind": "relationship", "at": ["09:00"], "timezone": "Australia/Sydney"},
        "rest": {"kind": "relationship"},
    }
    seldom = {f"{name}_s": 86_400 for name in schedule.JOBS}
    world = make_world(store, programs=programs, schedule=seldom)
    world.clock.at = datetime(2030, 1, 5, tzinfo=UTC)

    while world.clock.at < datetime(2030, 1, 7, 12, tzinfo=UTC):
        run_due(world.app)
        world.clock.forward(hours=1)

    at = {
        name: [r.slot for r in runs(world) if r.name == name]
        for name in schedule.planned(world.app)
    }
    assert at["choose.north"] == [datetime(2030, 1, 7, 9, tzinfo=BERLIN)]
    sydney = ZoneInfo("Australia/Sydney")
    assert at["choose.south"] == [datetime(2030, 1, day, 9, tzinfo=sydney) for day in (6, 7)]
    assert {slot.hour for slot in at["choose"]} == {0}


def test_a_program_with_its_own_times_is_chosen_for_then_only(store: Store) -> None:
    programs = {"own": {"kind": "relationship", "at": ["09:00"]}}
    world = make_world(store, programs=programs)
    world.add()
    world.pull()

    schedule.run(world.app, "choose")
    assert runs(world)[-1].result == ""
    world.clock.forward(seconds=1)
    schedule.run(world.app, "choose.own")

    assert runs(world)[-1].result == "1 by own"


def test_a_weekly_program_asks_again_on_the_day_that_its_rest_ends(store: Store) -> None:
    """Though it was a second later last time, and the clocks have changed since."""
    weekly = {"kind": "relationship", "at": ["Mon 09:00"], "every_days": 91}
    berlin = {"timezone": "Europe/Berlin"}
    world = make_world(store, programs={"weekly": weekly | berlin}, ask={"rest_days": 91})
    world.add()
    world.pull()
    for day in (datetime(2030, 1, 7, 9, 0, 3), datetime(2030, 4, 8, 9, 0, 1)):  # noqa: DTZ001 - there
        world.clock.at = day.replace(tzinfo=BERLIN).astimezone(UTC)
        schedule.run(world.app, "choose.weekly")

    assert len(world.all(Survey)) == 2


def test_a_days_number_is_that_of_the_days_there(store: Store) -> None:
    """At eleven at night in UTC, tomorrow has begun in Berlin."""
    world = make_world(store, ask={"per_day_max": 1}, schedule={"timezone": "Europe/Berlin"})
    world.add("c1", "ann@acme.example")
    world.add("c2", "bob@bolt.example")
    world.pull()
    world.clock.at = datetime(2030, 1, 7, 22, 30, tzinfo=UTC)
    world.choose()
    assert world.choose()["relationship"].next_due == {"2030-01-07": 1}

    world.clock.forward(hours=1)
    world.choose()

    assert len(world.all(Survey)) == 2


# By hand


def test_a_run_by_hand_changes_no_plan(world: World, work: Work) -> None:
    run_due(world.app)
    world.clock.forward(minutes=1)

    assert schedule.run(world.app, "pull")
    world.clock.forward(minutes=14)

    assert run_due(world.app) == 1
    assert [run.slot for run in runs(world)] == [MONDAY, None, MONDAY + timedelta(minutes=15)]


def test_a_run_by_hand_takes_up_what_died(world: World, work: Work) -> None:
    schedule.tick(other(world))
    world.clock.forward(minutes=2)

    assert schedule.run(world.app, "pull")

    assert [run.slot for run in runs(world)] == [MONDAY]


def test_what_is_paused_does_not_fire_and_is_not_made_up_for(world: World, work: Work) -> None:
    run_due(world.app)
    schedule.pause(world.app, "pull")
    world.clock.forward(hours=5)
    assert run_due(world.app) == 0

    schedule.resume(world.app, "pull")

    assert run_due(world.app) == 0
    world.clock.forward(minutes=15)
    assert run_due(world.app) == 1


def test_there_is_no_job_of_another_name(world: World) -> None:
    for act in (schedule.run, schedule.pause, schedule.resume):
        with pytest.raises(schedule.NoSuchJob, match="npsloop jobs list"):
            act(world.app, "pul")


def test_it_is_told_how_each_job_stands(world: World, work: Work) -> None:
    def standing() -> schedule.Standing:
        with world.app.store.read() as session:
            [found] = schedule.standings(world.app, session)
        return found

    assert (standing().last, standing().next_run) == (None, MONDAY)
    work.does = lambda: world.clock.forward(seconds=7)
    run_due(world.app)
    after = standing()
    assert (after.seconds, after.next_run) == (7.0, MONDAY + timedelta(minutes=15))
    schedule.pause(world.app, "pull")
    assert standing().next_run is None
    assert standing().paused_at == world.clock.at


def test_old_firings_are_forgotten_but_never_the_newest(
    world: World, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was done, after two days."""
    for words in ("", "3 contacts", "", ""):
        monkeypatch.setitem(jobs.JOBS, "pull", schedule.Job(lambda _, words=words: words, "work"))
        run_due(world.app)
        world.clock.forward(days=1)

    assert past.forget_old(world.app) == 1
    assert [run.result for run in runs(world)] == ["3 contacts", "", ""]
    world.clock.forward(days=100)
    assert past.forget_old(world.app) == 2
    assert past.forget_old(world.app) == 0
