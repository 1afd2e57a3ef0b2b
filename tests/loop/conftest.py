"""A small world in memory: a CRM, a mailer, and a clock that moves when told."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from connectors import ports
from connectors.memory import MemoryCrm, MemoryMailer
from loop import answer, choose, close, pull, schedule
from loop.answer import Given
from loop.app import App, Keys, Purpose
from loop.config import Config
from loop.letters import Letters
from loop.models import Effect, Survey
from loop.resources import templates
from loop.store import Store
from tests.loop.config_file import Write

MONDAY = datetime(2030, 1, 7, 9, tzinfo=UTC)
CRM = "memory_crm"


@dataclass
class Clock:
    """A clock that moves when told."""

    at: datetime = MONDAY

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def forward(self, **by: float) -> None:
        """Move on: `days=1`, `minutes=5`."""
        self.at += timedelta(**by)


@dataclass
class World:
    """The app, what it talks to, and verbs for what people do."""

    app: App
    clock: Clock
    crm: MemoryCrm
    mailer: MemoryMailer
    others: dict[str, MemoryCrm] = field(default_factory=dict)

    def add_owner(self, owner_id: str = "o1", name: str = "Olga Ownerly", **more: Any) -> str:  # noqa: ANN401 - a port's fields
        """Add an account manager."""
        email = more.pop("email", f"{owner_id}@us.example")
        owner = ports.Owner(id=owner_id, name=name, email=email, **more)
        self.crm.state.owners[owner_id] = owner
        return owner_id

    def add_account(self, account_id: str = "a1", name: str = "Acme", owner_id: str = "") -> str:
        """Add a company."""
        account = ports.Account(id=account_id, name=name, owner_id=owner_id)
        self.crm.state.accounts[account_id] = account
        return account_id

    def add(self, contact_id: str = "c1", email: str = "ann@acme.example", **more: Any) -> str:  # noqa: ANN401 - a port's fields
        """Add a person's record."""
        more = {"first_name": "Ann", "last_name": "Archer"} | more
        crm = more.pop("crm", self.crm)
        crm.state.contacts[contact_id] = ports.Contact(id=contact_id, email=email, **more)
        return contact_id

    def pull(self) -> None:
        """Let customers come in."""
        for _ in pull.customers(self.app):
            pass

    def choose(self, *, dry_run: bool = False) -> dict[str, choose.Choice]:
        """Choose, and give each program's choice."""
        return {made.program: made for made in choose.customers(self.app, dry_run=dry_run)}

    def deliver(self) -> int:
        """Deliver all that is due."""
        return schedule.deliver(self.app)

    def ask(self) -> None:
        """Pull, choose and send."""
        self.pull()
        self.choose()
        self.deliver()

    def answer(self, score: int | None, comment: str = "", *, survey: Survey | None = None) -> Any:  # noqa: ANN401 - one of three
        """Answer a survey (the only one, where none is named)."""
        survey = survey or self.only(Survey)
        token = self.app.keys.token(Purpose.ANSWER, survey.id)
        with self.app.store.write() as session:
            given = Given(token=token, score=score, comment=comment)
            [result] = answer.keep(self.app, session, [given])
        return result

    def close(self) -> Counter[str]:
        """Look for what has been dealt with."""
        return close.finished(self.app)

    def all(self, model: type[Any]) -> Sequence[Any]:
        """Return all rows of a table."""
        with self.app.store.read() as session:
            return session.exec(select(model)).all()

    def only(self, model: type[Any]) -> Any:  # noqa: ANN401 - a row of it
        """Return the only row of a table."""
        [row] = self.all(model)
        return row

    def effects(self) -> dict[str, str]:
        """Return the state of each effect by its kind (the last of a kind)."""
        return {str(effect.kind): str(effect.state) for effect in self.all(Effect)}

    def to(self, address: str) -> list[ports.Mail]:
        """Return the mails to an address."""
        return [mail for mail in self.mailer.sent if mail.to == address]


SETTINGS: dict[str, Any] = {
    "company": {"name": "Example Ltd", "product": "the Example"},
    "programs": {
        "relationship": {"kind": "relationship", "every_days": 90},
        "support": {"kind": "touchpoint", "event": "case_closed", "delay_hours": 1},
    },
    "follow_up": {"wait_minutes": 0, "fallback_owner": {CRM: "o9"}},
    "refer": {"wait_minutes": 0},
}


def make_world(store: Store, **settings: Any) -> World:  # noqa: ANN401 - a tree of settings
    """Return a world with these settings on top of the usual ones."""
    clock, crm, mailer = Clock(), MemoryCrm(), MemoryMailer()
    app = App(
        config=Config.model_validate(SETTINGS | settings),
        store=store,
        crms={CRM: crm},
        mailer=mailer,
        letters=Letters(builtin=templates()),
        keys=Keys("a secret that only these tests know, long enough"),
        now=clock,
        worker="test",
    )
    return World(app=app, clock=clock, crm=crm, mailer=mailer)


@pytest.fixture
def world(store: Store) -> World:
    """Give a world on each kind of database."""
    made = make_world(store)
    made.add_owner()
    made.add_owner("o9", "Felix Fallback")
    made.add_account(owner_id="o1")
    return made


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    """Give a session that writes."""
    with store.write() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _nothing_set_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NPSLOOP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
