"""A place where several processes work on one PostgreSQL, and a mail provider that counts."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from sqlmodel import SQLModel, col, func, select

from connectors import ports
from connectors.memory import MemoryCrm
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from loop import app as apps
from loop import choose, pull
from loop.config import Config
from loop.models import Call, Effect
from loop.states import EffectState
from loop.store import Store
from tests.conftest import made_database

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-at-least-thirty-two-characters"
SETTINGS: dict[str, Any] = {
    "public_url": "http://127.0.0.1:9",
    "secret": SECRET,
    "company": {"name": "Example Ltd", "product": "the Example"},
    "sender": {"email": "feedback@us.example"},
    "crms": [{"type": "memory_crm"}],
    "programs": {"relationship": {"kind": "relationship"}},
    "follow_up": {"wait_minutes": 0},
    "refer": {"wait_minutes": 0},
    "schedule": {"deliver_s": 0.3},
    "web": {"port": 0},
}
M = TypeVar("M", bound=SQLModel)


@dataclass
class Process:
    """One of our commands in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    def says(self, words: str) -> str:
        """Wait until its log has these words, and return what they caught."""
        for _ in range(1200):
            if found := re.search(words, self.log.read_text()):
                return found[found.lastindex or 0]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def end(self, how: signal.Signals) -> int:
        """End it, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(15)


@dataclass
class Plant:
    """A database, a configuration on it, and the processes that work there."""

    path: Path
    app: apps.App
    sendgrid: SendGridSandbox
    processes: list[Process] = field(default_factory=list)

    def start(self, *words: str) -> Process:
        """Start one of our commands."""
        log = self.path.parent / f"{len(self.processes)}.log"
        command = [sys.executable, "-m", "loop.cli", *words, "--config", str(self.path)]
        with log.open("wb") as written:
            process = subprocess.Popen(command, cwd=ROOT, stdout=written, stderr=written)
        self.processes.append(Process(process, log))
        return self.processes[-1]

    def end(self) -> None:
        """Leave no process behind."""
        for one in self.processes:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait()

    def ask(self, people: int) -> None:
        """Let so many people come in, and owe each of them a mail."""
        crm = self.app.crms["memory_crm"]
        assert isinstance(crm, MemoryCrm)
        for n in range(people):
            email = f"ann{n}@shop{n}.example"
            crm.state.contacts[f"c{n}"] = ports.Contact(id=f"c{n}", email=email, first_name="Ann")
        for _ in pull.customers(self.app):
            pass
        for _ in choose.customers(self.app):
            pass

    def set(self, section: str, **values: object) -> None:
        """Set what a section of the configuration says, or take it out."""
        settings = yaml.safe_load(self.path.read_text())
        settings.pop(section)
        self.path.write_text(yaml.safe_dump(settings | ({section: values} if values else {})))

    def all(self, model: type[M]) -> Sequence[M]:
        """Return all rows of a table."""
        with self.app.store.read() as session:
            return session.exec(select(model)).all()

    def states(self) -> Counter[EffectState]:
        """Count effects by their state."""
        query = select(Effect.state, func.count()).group_by(col(Effect.state))
        with self.app.store.read() as session:
            return Counter(dict(session.exec(query).all()))

    def calls(self, *, open_only: bool = False) -> Counter[int]:
        """Count the calls that each process has made, or is at."""
        query = select(Call.worker)
        if open_only:
            query = query.where(col(Call.ended_at).is_(None))
        with self.app.store.read() as session:
            made = session.exec(query).all()
        pids = [one.pid for one in self.processes]
        return Counter(pid for worker in made for pid in pids if f"-{pid}-" in worker)

    def wait_until(self, there: Callable[[], bool], seconds: float = 40) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not there():
            logs = "\n".join(one.log.read_text() for one in self.processes)
            assert time.monotonic() < until, logs
            time.sleep(0.05)


@pytest.fixture
def database(postgres: str, postgres_template: str) -> Iterator[str]:
    """Give a PostgreSQL database with our schema and nothing in it."""
    with made_database(postgres, postgres_template) as url:
        yield url


@pytest.fixture
def plant(database: str, tmp_path: Path) -> Iterator[Plant]:
    """Give a place with nothing at work yet."""
    sendgrid = SendGridSandbox()
    with ExitStack() as opened:
        opened.callback(sendgrid.close)
        origin = opened.enter_context(running(sendgrid.application))
        mailer = {"type": "sendgrid", "api_key": sendgrid.api_key, "origin": origin}
        settings = SETTINGS | {"mailer": mailer, "database": {"url": database}}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"version": 1, **settings}))
        store = Store(database)
        opened.callback(store.close)
        app = apps.build(Config.model_validate(settings), SECRET, store=store)
        app.mailer.batch = 20
        made = Plant(path, app, sendgrid)
        opened.callback(made.end)
        yield made
