"""What tests of firing stand on: a job that does what a test wants of it, and who fires it."""

from dataclasses import replace

import pytest

from loop import schedule
from loop.app import App
from loop.models import JobRun
from loop.schedule import jobs
from tests.loop.conftest import World


class Work:
    """A job that counts, and does what a test wants of it."""

    def __init__(self) -> None:
        self.count = 0
        self.does = lambda: None

    def __call__(self, _: App) -> str:
        """Run."""
        self.count += 1
        self.does()
        return f"{self.count} times"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Give the only job there is, in the place of `pull`: every 15 minutes."""
    made = Work()
    monkeypatch.setattr(jobs, "JOBS", {"pull": schedule.Job(made, "work")})
    return made


def run_due(app: App) -> int:
    """Tick, and fire what that gives; return how much it was."""
    taken = schedule.tick(app)
    for one in taken:
        schedule.fire(app, one)
    return len(taken)


def other(world: World) -> App:
    """Give the app as another process has it."""
    return replace(world.app, worker="another")


def runs(world: World) -> list[JobRun]:
    """Return all that has run, the oldest first."""
    return sorted(world.all(JobRun), key=lambda run: (run.started_at, run.id))
