"""A scene: the loop played for one customer in a database of its own, to look at its letters.

Nothing of it reaches the operator's database, a CRM or a mailer. The mails and pages are the
real ones: the stages write them and the web application renders them.
"""

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import SQLModel, col

from connectors.ports import Mail
from loop import answer, choose, leave
from loop.answer import Given
from loop.app import App, Purpose
from loop.config import Mendable, Program
from loop.models import Account, Contact, Customer, Effect, Owner, Referral, Survey
from loop.outbox import Skip
from loop.schedule import HANDLERS
from loop.states import Group, Kind
from loop.store import Store
from loop.web import application

MAILS: Final = {"ask": Kind.ASK, "refer": Kind.INVITE, "thank": Kind.WORD}
PAGES: Final = ("survey", "thanks", "unsubscribe", "unsubscribed", "referral", "gone", "index")
USUAL_SCORE: Final = {Kind.INVITE: 10, Kind.WORD: 8}
ADDRESS: Final = "ann@example.com"
ANN: Final[list[SQLModel]] = [
    Owner(id="scene:1", crm="scene", remote_id="1", name="Beth Moore", email="beth@example.com"),
    Account(id="scene:2", crm="scene", remote_id="2", name="Example Customer Ltd"),
]


class NothingToShow(Mendable):
    """There is no such mail or page for this customer and score."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One customer who was chosen, and what they would see."""

    app: App
    """Over the scene's own database."""
    survey_id: str

    def mail(self, name: str, score: int | None = None) -> Mail:
        """Return a mail of `MAILS` as it would go out. Raise `NothingToShow`."""
        kind = MAILS[name]
        if kind is not Kind.ASK:
            self.answer(USUAL_SCORE[kind] if score is None else score)
        with self.app.store.read() as session:
            query = select(Effect).where(
                col(Effect.survey_id) == self.survey_id, col(Effect.kind) == kind
            )
            effect = session.scalars(query).first()
            made = HANDLERS[kind].request(self.app, session, effect) if effect else None
        if made is None or isinstance(made, Skip):
            raise NothingToShow(f"no {name} mail goes out after a score of {score}")
        mail: Mail = made
        return mail

    def page(self, name: str, score: int | None = None) -> str:
        """Return a page of `PAGES` in one piece, with its style. Raise `NothingToShow`."""
        html = self._got(self._address(name, score))
        for sheet in ("/static/style.css", "/static/brand.css"):
            link = f'<link rel="stylesheet" href="{sheet}">'
            html = html.replace(link, f"<style>\n{self._got(sheet)}\n</style>")
        return html

    def answer(self, score: int) -> None:
        """Let the customer answer."""
        token = self.app.keys.token(Purpose.ANSWER, self.survey_id)
        with self.app.store.write() as session:
            answer.keep(self.app, session, [Given(token=token, score=score)])

    def _address(self, name: str, score: int | None) -> str:
        """Return the path of a page, once the customer is where it is shown."""
        ask = f"/a/{self.app.keys.token(Purpose.ANSWER, self.survey_id)}"
        way_out = f"/l/{self.app.keys.token(Purpose.LEAVE, self.survey_id)}"
        match name:
            case "survey":
                return ask if score is None else f"{ask}?score={score}"
            case "thanks":
                self.answer(10 if score is None else score)
                return f"{ask}/thanks"
            case "unsubscribe":
                return way_out
            case "unsubscribed":
                with self.app.store.write() as session:
                    survey = session.get_one(Survey, self.survey_id)
                    leave.unsubscribe(self.app, session, survey)
                return way_out
            case "referral":
                return self._referral(10 if score is None else score)
            case _:
                return "/" if name == "index" else "/a/unknown"

    def _referral(self, score: int) -> str:
        self.answer(score)
        with self.app.store.read() as session:
            referral = session.scalars(select(Referral)).first()
        if referral is None:
            why = "refer.enabled is false" if Group.of(score) is Group.PROMOTER else f"a {score}"
            raise NothingToShow(f"there is no referral page: {why}")
        return f"/r/{self.app.keys.token(Purpose.REFER, referral.id)}"

    def _got(self, address: str) -> str:
        told = logging.getLogger("loop.web.application")
        told.disabled = True  # a template's mistake is raised here, which tells enough
        try:
            return asyncio.run(_get(application(self.app), address))
        finally:
            told.disabled = False


@contextmanager
def scene(
    app: App, *, customer_id: str = "", program: str = "", locale: str = ""
) -> Iterator[Scene]:
    """Play the loop up to the question, for a real customer or for an invented one."""
    with tempfile.TemporaryDirectory(prefix="npsloop-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'scene.db'}")
        try:
            SQLModel.metadata.create_all(store.engine)
            with store.write() as session:
                for row in _cast(app, customer_id, locale):
                    session.add(row)
                    session.flush()
            played = _staged(app, store, program)
            for _ in choose.customers(played):
                pass
            with store.read() as session:
                survey_id = session.connection().execute(select(col(Survey.id))).scalar_one()
            yield Scene(app=played, survey_id=survey_id)
        finally:
            store.close()


def _staged(app: App, store: Store, program: str) -> App:
    """Return the app over the scene's database, with one program that asks everybody."""
    programs = app.config.programs
    name = program or next(iter(programs), "relationship")
    real = programs.get(name, Program(kind="relationship"))
    everybody = real.model_copy(update={"kind": "relationship", "sample": 1.0})
    asks = app.config.ask.model_copy(update={"per_day_max": 1, "per_account_max": 1})
    config = app.config.model_copy(update={"programs": {name: everybody}, "ask": asks})
    return replace(app, store=store, config=config, crms={})


def _cast(app: App, customer_id: str, locale: str) -> list[SQLModel]:
    """Return the rows of a scene: copies of a real customer's, or invented ones."""
    rows = _copied(app, customer_id) if customer_id else _invented()
    for row in rows:
        if isinstance(row, Contact):
            row.email, row.opted_out, row.bounced, row.gone_at = ADDRESS, False, False, None
            row.locale = locale or row.locale
    return rows


def _copied(app: App, customer_id: str) -> list[SQLModel]:
    order = list(app.crms)
    with app.store.read() as session:
        query = select(Contact).where(col(Contact.customer_id) == customer_id)
        contacts = sorted(
            session.scalars(query),
            key=lambda row: (
                row.gone_at is not None,
                order.index(row.crm) if row.crm in order else len(order),
                row.id,
            ),
        )
        if not contacts:
            raise NothingToShow("this customer has no record in any CRM any more")
        contact = contacts[0]
        customer = Customer(id=customer_id, email=ADDRESS, created_at=datetime.now(UTC))
        near = [
            session.get(Account, contact.account_id) if contact.account_id else None,
            session.get(Owner, contact.owner_id) if contact.owner_id else None,
        ]
    return [customer, *(_copy(row) for row in (contact, *near) if row is not None)]


def _copy(row: SQLModel) -> SQLModel:
    return type(row)(**row.model_dump())


def _invented() -> list[SQLModel]:
    now = datetime.now(UTC)
    contact = Contact(
        id="scene:3",
        crm="scene",
        remote_id="3",
        customer_id="ann",
        email=ADDRESS,
        first_name="Ann",
        last_name="Archer",
        account_id="scene:2",
        owner_id="scene:1",
    )
    return [Customer(id="ann", email=ADDRESS, created_at=now), contact, *map(_copy, ANN)]


async def _get(application: Any, address: str) -> str:  # noqa: ANN401 - any ASGI application
    """Return what the application answers to a GET, whatever its status."""
    path, _, query = address.partition("?")
    body = bytearray()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 0),
    }
    await application(scope, receive, send)
    return body.decode()
