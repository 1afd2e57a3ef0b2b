"""Kills workers while people answer, then delivers the rest and counts."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from sqlalchemy import func, select
from sqlmodel import col

import loop
from connectors.errors import ConnectorError
from connectors.sandbox.server import running
from loop import schedule
from loop.app import App, utc_now
from loop.config import JobName
from loop.models import Effect, Survey
from loop.rehearse import mortal
from loop.rehearse.count import Count, Inside
from loop.rehearse.crowd import Crowd
from loop.rehearse.mortal import FELL, KILLED, Sentence
from loop.rehearse.outside import Outside
from loop.rehearse.stage import Stage, set_up
from loop.states import EffectState
from loop.store import Store
from loop.web import application

WAVE: Final = 40
"""So many people come at a time, once the work of those before them is nearly done."""
LOOK_S: Final = 0.02
STEP: Final = timedelta(hours=1, minutes=5)
"""Longer than any wait between two tries."""
DAY: Final = timedelta(hours=27)
"""Longer than a mail stays unknown before an operator is asked."""
STEPS_MAX: Final = 50
EXAMPLES_MAX: Final = 10
WRONG: Final = (
    "duplicates",
    "lost",
    "tasks_doubled",
    "histories_doubled",
    "leads_doubled",
    "untrue",
    "fell",
    "bugs",
)
"""What is to be nothing in the end."""
SETTLE_S: Final = 60.0
TELL_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be rehearsed."""

    kills: int
    seed: int
    workers: int = 1
    database_url: str = ""
    """PostgreSQL; empty for a SQLite file."""


@dataclass
class Holder:
    """The process that holds the workers, and what it tells."""

    process: subprocess.Popen[str]
    log: IO[str]
    deaths: Counter[str] = field(default_factory=Counter)

    def at_it(self) -> bool:
        """Tell whether workers still live and die."""
        return self.process.poll() is None

    def listen(self) -> None:
        """Count the deaths until the last."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.deaths[line.strip()] += 1

    def bugs(self) -> list[str]:
        """Return what the workers logged as a bug of ours."""
        self.log.seek(0)
        return [line.strip() for line in self.log if line.startswith(("ERROR", "Traceback"))]


class Later:
    """A clock that is moved on."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        """Return the time."""
        return utc_now() + self.by


def rehearse(plan: Plan, tell: Callable[[str], None]) -> dict[str, Any]:
    """Kill as many workers as planned, deliver the rest, and return the count."""
    with set_up(plan.seed, plan.database_url) as stage:
        crowd = Crowd(stage.services, plan.seed)
        try:
            began = time.monotonic()
            crowd.come(WAVE)
            with _held(stage, plan) as holder:
                _go_on(stage, crowd, holder, tell)
                bugs = holder.bugs()
            killed_s = time.monotonic() - began
            tell("no more deaths: now deliver the rest")
            _finish(stage, crowd)
            count = Count(Inside(stage.store), Outside(stage.services), crowd).result()
        finally:
            crowd.leave()
        return {
            "database": stage.store.url.get_backend_name(),
            "workers": plan.workers,
            "seed": plan.seed,
            "seconds": round(killed_s, 1),
            "kills": holder.deaths[KILLED],
            "fell": holder.deaths[FELL],
            **count,
            "bugs": len(bugs),
            "examples": [*count["examples"], *bugs][:EXAMPLES_MAX],
        }


@contextmanager
def _held(stage: Stage, plan: Plan) -> Iterator[Holder]:
    """Start the process that holds the workers; at the end no worker is left."""
    sentence = Sentence(
        settings=stage.settings,
        seed=plan.seed,
        kills=plan.kills,
        workers=plan.workers,
        listener=stage.listener.fileno(),
    )
    root = str(Path(loop.__file__).parents[1])
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", mortal.__name__],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=(sentence.listener,),
            start_new_session=True,
        ) as process,
    ):
        holder = Holder(process, log)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(sentence).decode() + "\n")
        process.stdin.flush()
        threading.Thread(target=holder.listen, daemon=True).start()
        try:
            yield holder
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _go_on(stage: Stage, crowd: Crowd, holder: Holder, tell: Callable[[str], None]) -> None:
    """Let people come and act for as long as workers live and die."""
    told = time.monotonic()
    app = stage.app()
    with closing(app.store):
        while holder.at_it():
            crowd.look()
            if _due(app.store, utc_now()) < WAVE:
                _fill(app, crowd)
            if time.monotonic() > told + TELL_S:
                told = time.monotonic()
                tell(f"{holder.deaths[KILLED]} killed, {len(crowd.thanked)} answers")
            time.sleep(LOOK_S)


def _fill(app: App, crowd: Crowd) -> None:
    """Let a wave of people come, and be chosen: the workers hardly live long enough for that."""
    if _asked(app.store) == len(crowd.addresses):
        crowd.come(WAVE)
    _run(app, "pull", "choose")


def _finish(stage: Stage, crowd: Crowd) -> None:
    """Let the services be well, deliver what can be, and move the clock until nothing is open."""
    later = Later()
    app = stage.app(later)
    stage.heal()
    with closing(app.store), running(application(app), listener=stage.listener):
        for _ in range(STEPS_MAX):
            _settle(stage, crowd, app)
            if _asked(app.store) >= len(crowd.addresses) and not _due(app.store):
                break
            later.by += STEP
        later.by += DAY
        _settle(stage, crowd, app)


def _settle(stage: Stage, crowd: Crowd, app: App) -> None:
    """Do what can be done at this hour, until nobody acts on a mail any more."""
    _run(app, *schedule.JOBS)
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        _run(app, "deliver")
        stage.services.mail.flush()
        if not crowd.look() and not _due(app.store, app.now()):
            return


def _run(app: App, *jobs: JobName) -> None:
    """Run these jobs, whatever their plan and whoever else runs them."""
    for name in jobs:
        with suppress(ConnectorError):
            schedule.JOBS[name].run(app)


def _asked(store: Store) -> int:
    """Return how many people were chosen."""
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Survey)) or 0


def _due(store: Store, by: datetime | None = None) -> int:
    """Return how many effects are owed by then, or at all (claimed ones too)."""
    query = select(func.count()).where(col(Effect.state) == EffectState.DUE)
    if by is None:
        query = select(func.count()).where(
            col(Effect.state).in_((EffectState.DUE, EffectState.CLAIMED))
        )
    else:
        query = query.where(col(Effect.due_at) <= by)
    with store.read() as session:
        return session.scalar(query) or 0
