"""A worker that is killed at any moment, ten times: no mail and no task is doubled or lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlmodel import select

from connectors.sandbox.faults import Fault
from connectors.sandbox.faults import Kind as Wrong
from connectors.sandbox.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceSandbox
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from loop import answer, pull, schedule
from loop import app as apps
from loop.answer import Given
from loop.app import Purpose
from loop.choose import customers
from loop.config import Config
from loop.models import Case, Effect, Survey
from loop.states import EffectState, Kind, Stage
from loop.web import application
from tests.dying import SECRET
from tests.loop.conftest import SETTINGS

PEOPLE = 100
KILLS = int(os.environ.get("NPSLOOP_KILLS", "10"))
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Mortal:
    """A worker that lives until it is killed or has nothing to do."""

    process: subprocess.Popen[str]

    def live(self, seconds: float | None = None) -> bool:
        """Let it work, and kill it after a while; tell whether it was killed at work."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("live\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        assert self.process.stdout.readline() == "at work\n"
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it may be done already
                os.kill(pid, signal.SIGKILL)
        return os.WIFSIGNALED(int(self.process.stdout.readline()))


@dataclass
class Shop:
    """Our program, Salesforce with many people, SendGrid, and a mortal worker."""

    app: apps.App
    salesforce: SalesforceSandbox
    sendgrid: SendGridSandbox
    worker: Mortal

    def states(self, *kinds: Kind) -> Counter[EffectState]:
        """Count effects of these kinds by their state."""
        with self.app.store.read() as session:
            return Counter(e.state for e in session.exec(select(Effect)) if e.kind in kinds)

    def surveys(self) -> list[Survey]:
        """Return all surveys."""
        with self.app.store.read() as session:
            return list(session.exec(select(Survey)).all())

    def die(self, chance: Random, often: int, longest_s: float) -> None:
        """Kill the worker again and again, then let it finish."""
        for _ in range(often):
            self.worker.live(chance.uniform(0.01, longest_s))
        self.sendgrid.faults.clear()
        self.salesforce.faults.clear()
        schedule.JOBS["tidy"].run(self.app)
        with self.app.store.write() as session:
            for effect in session.exec(select(Effect).where(Effect.state == EffectState.DUE)):
                effect.due_at = self.app.now()  # nobody waits for a service that is well again
        assert not self.worker.live()
        assert self.sendgrid.flush()
        schedule.JOBS["tidy"].run(self.app)


@pytest.fixture
def shop(sqlite_template: Path, tmp_path: Path) -> Iterator[Shop]:
    """Give a shop whose services are slow and now and then do not answer."""
    path = tmp_path / "npsloop.db"
    path.write_bytes(sqlite_template.read_bytes())
    salesforce, sendgrid = SalesforceSandbox(), SendGridSandbox()
    with ExitStack() as open_:
        open_.callback(sendgrid.close)
        at = [open_.enter_context(running(one.application)) for one in (salesforce, sendgrid)]
        settings = configuration(at, sendgrid, path)
        app = apps.build(Config.model_validate(settings), SECRET)
        open_.callback(app.store.close)
        url = open_.enter_context(running(application(app)))
        sendgrid.webhook = f"{url}/hooks/mail"
        worker = open_.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.dying"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(settings) + "\n")
        fill(salesforce)
        trouble(salesforce, sendgrid)
        yield Shop(app, salesforce, sendgrid, Mortal(worker))
        worker.stdin.close()


def configuration(at: Sequence[str], sendgrid: SendGridSandbox, path: Path) -> dict[str, Any]:
    """Return the settings with which our program finds both services."""
    salesforce = {
        "type": "salesforce",
        "my_domain": "example",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "origin": at[0],
    }
    mailer = {
        "type": "sendgrid",
        "api_key": sendgrid.api_key,
        "webhook_public_key": sendgrid.public_key,
        "origin": at[1],
    }
    own = {"crms": [salesforce], "mailer": mailer, "database": {"url": f"sqlite:///{path}"}}
    return SETTINGS | own


def fill(salesforce: SalesforceSandbox) -> None:
    """Put many people into the CRM."""
    state = salesforce.state
    olga = state.add("User", {"LastName": "Ownerly", "Email": "olga@us.example", "IsActive": True})
    for n in range(PEOPLE):
        state.add(
            "Contact",
            {"LastName": f"Person {n}", "Email": f"p{n}@shop{n}.example", "OwnerId": olga},
        )


def trouble(salesforce: SalesforceSandbox, sendgrid: SendGridSandbox) -> None:
    """Let the services be slow, turn some away, and lose some answers."""
    for faults in (salesforce.faults, sendgrid.faults):
        faults.add(Fault(kind=Wrong.LOST, share=0.05, method="POST", path="/mail/send"))
        faults.add(Fault(kind=Wrong.LOST, share=0.2, path="/composite"))
        faults.add(Fault(kind=Wrong.STATUS, status=503, share=0.03))
        faults.add(Fault(kind=Wrong.DELAY, delay_s=0.01))


def test_ten_deaths_double_and_lose_nothing(shop: Shop) -> None:
    """Half of them while mails go out, half while scores and tasks are written."""
    chance = Random(7)
    for _ in pull.customers(shop.app):
        pass
    for _ in customers(shop.app):
        pass

    shop.die(chance, KILLS // 2, 0.4)

    arrived = Counter(mail.to for mail in shop.sendgrid.state.inbox)
    asked = shop.states(Kind.ASK)
    assert set(arrived.values()) == {1}
    assert asked[EffectState.DONE] == len(arrived)
    assert asked[EffectState.DONE] + asked[EffectState.UNKNOWN] == PEOPLE

    trouble(shop.salesforce, shop.sendgrid)
    given = [
        Given(token=shop.app.keys.token(Purpose.ANSWER, one.id), score=2, comment="slow")
        for one in shop.surveys()
        if one.stage is Stage.ASKED
    ]
    shop.app.store.work(lambda session: answer.keep(shop.app, session, given))
    shop.die(chance, KILLS - KILLS // 2, 0.9)

    tasks = shop.salesforce.state.all("Task")
    assert len({task["WhoId"] for task in tasks}) == len(given) == asked[EffectState.DONE]
    with shop.app.store.read() as session:
        cases = session.exec(select(Case)).all()
    assert {case.task_id for case in cases} == {t["Id"] for t in tasks if "call" in t["Subject"]}
    scored = [c for c in shop.salesforce.state.all("Contact") if c.get("NPS_Score__c") == 2]
    assert len(scored) == len(given)
    assert set(shop.states(Kind.SCORE, Kind.TASK, Kind.HISTORY)) == {EffectState.DONE}


def test_the_store_is_whole_after_a_death(shop: Shop) -> None:
    """Killed in the middle of its work, it leaves no half of anything."""
    for _ in pull.customers(shop.app):
        pass
    for _ in customers(shop.app):
        pass
    shop.worker.live(0.15)

    with shop.app.store.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
