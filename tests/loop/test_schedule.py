"""What runs when, and how it is told."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from loop import schedule, states
from loop.app import App, utc_now
from loop.engine import embedded
from loop.models import Contact, JobRun, Survey
from loop.schedule import jobs
from loop.states import Kind, Stage
from loop.store import Store
from tests.loop.conftest import CRM, World, make_world


def test_every_kind_of_effect_has_its_handler_and_its_lane(world: World) -> None:
    """Nothing can be owed that nobody delivers."""
    assert set(schedule.HANDLERS) == set(Kind) == set(states.LANES)
    drained = set(schedule.lanes(world.app))
    crm = {states.lane(CRM, kind) for kind in Kind if kind not in states.MAIL_KINDS}
    assert drained == crm | {states.lane(states.MAIL, Kind.ASK)}


def test_a_job_writes_down_how_it_went(world: World) -> None:
    """The row says when, and what went wrong in words."""
    world.crm.down = True
    assert not schedule.run(world.app, "pull")
    assert "down" in world.only(JobRun).problem

    world.crm.down = False
    world.clock.forward(minutes=15)
    assert schedule.run(world.app, "pull")
    [_, row] = sorted(world.all(JobRun), key=lambda run: run.started_at)
    assert (row.problem, row.ended_at) == ("", world.clock.at)


def test_one_crm_that_is_down_does_not_stop_the_other(world: World) -> None:
    """The pull of the second CRM goes on."""
    other = type(world.crm)()
    other.name = "other"
    other.state.contacts.update(world.crm.state.contacts)
    world.add("c1")
    other.state.contacts.update(world.crm.state.contacts)
    world.crm.down = True
    world.app.crms["other"] = other  # type: ignore[index]

    schedule.run(world.app, "pull")

    assert [contact.crm for contact in world.all(Contact)] == ["other"]


def test_a_bug_in_a_job_is_told_and_does_not_spread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next job runs all the same."""
    job = schedule.Job(lambda _: str(1 / 0), "fails")
    monkeypatch.setattr(jobs, "JOBS", {**schedule.JOBS, "choose": job})

    assert not schedule.run(world.app, "choose")
    assert "a bug of ours: ZeroDivisionError" in world.only(JobRun).problem
    assert schedule.run(world.app, "deliver")


def test_the_embedded_engine_runs_the_loop_by_itself(tmp_path: Path) -> None:
    """Ann is asked without anybody pressing anything."""
    store = Store(f"sqlite:///{tmp_path / 'npsloop.db'}")
    store.upgrade()
    often = {"pull_s": 0.1, "choose_s": 0.1, "deliver_s": 0.1, "close_s": 0.2, "tidy_s": 1}
    world = make_world(store, schedule=often)
    world.add()
    with embedded.running(replace(world.app, now=utc_now)):
        until = time.monotonic() + 20
        while time.monotonic() < until and not world.mailer.sent:
            time.sleep(0.05)
    assert len(world.mailer.sent) == 1
    assert world.only(Survey).stage is Stage.ASKED
    store.close()


def test_a_long_job_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a thread of its own; at the end what is at work is waited for."""
    store = Store(f"sqlite:///{tmp_path / 'npsloop.db'}")
    store.upgrade()
    world = make_world(store, schedule={"deliver_s": 0.1})
    begun, ended, seen = threading.Event(), threading.Event(), threading.Event()

    def long(app: App) -> str:
        begun.set()
        app.stopping.wait(20)
        ended.set()
        return ""

    def short(_: App) -> str:
        if begun.is_set():
            seen.set()
        return ""

    monkeypatch.setattr(
        jobs, "JOBS", {"pull": schedule.Job(long, "long"), "deliver": schedule.Job(short, "short")}
    )
    with embedded.running(replace(world.app, now=utc_now)):
        assert seen.wait(20)
        assert not ended.is_set()
    assert ended.is_set()
    store.close()


def test_a_database_that_is_away_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Once it is back, the jobs run again."""
    broken = replace(world.app, store=Store("sqlite:////nowhere/npsloop.db"))
    with ThreadPoolExecutor(1) as threads:
        ticks = embedded._Ticks(broken, threads)
        ticks()
        ticks()
        ticks.app = world.app
        ticks()
    assert caplog.text.count("the database does not answer") == 1
    assert ticks.well
    assert len(world.all(JobRun)) == 5
