"""A process that ticks and fires until it is killed; its job writes down when it is at work."""

import os
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from loop import schedule
from loop.app import App, utc_now
from loop.schedule import firing, jobs
from loop.store import Store
from tests.loop.conftest import make_world

LEASE_S = 2.0
RENEW_S = 0.1
TAKES_S = 0.05


def live(url: str, diary: Path) -> None:
    """Tick on and on."""
    firing.LEASE, firing.RENEW_S = timedelta(seconds=LEASE_S), RENEW_S  # type: ignore[misc]
    jobs.JOBS = {"pull": schedule.Job(partial(work, diary), "work")}  # type: ignore[misc]
    world = make_world(Store(url), programs={}, schedule={"pull_s": 0.25})
    app = replace(world.app, now=utc_now, worker=str(os.getpid()))
    while True:
        for taken in schedule.tick(app):
            schedule.fire(app, taken)
        time.sleep(0.01)


def work(diary: Path, _: App) -> str:
    """Be at work for a moment."""
    write(diary, "begin")
    time.sleep(TAKES_S)
    write(diary, "end")
    return "worked"


def write(diary: Path, what: str) -> None:
    """Add a line, whole, whoever else writes."""
    handle = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what} {os.getpid()}\n".encode())
    os.close(handle)
