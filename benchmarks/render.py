"""Mails a second: a personalised ask mail up to its request, beside Jinja alone.

The bound renders the same compiled HTML and text with words made beforehand; ours finds the
words and links of each customer, renders in the sandbox, and builds SendGrid's request.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import measure
from jinja2 import Environment
from sqlmodel import Session

from connectors.memory import MemoryMailer
from connectors.sendgrid import request_for
from loop import ask
from loop.app import App, Keys, Purpose
from loop.config import Company, Config
from loop.correspondence import common
from loop.letters import Letters
from loop.models import Contact, Effect, Owner, Survey
from loop.outbox import Skip
from loop.resources import templates
from loop.states import Kind, Stage
from loop.store import Store

N: Final = 3_000
SLICES: Final = 10
"""How often a round changes sides: what else the machine does meets both alike."""
NOW: Final = datetime(2030, 1, 7, 9, tzinfo=UTC)
Send = Callable[[int], bytes]


class Memory:
    """What `loop.ask` reads of a session, held in dictionaries."""

    def __init__(self, rows: Sequence[Survey | Contact | Owner]) -> None:
        self._rows = {(type(row), row.id): row for row in rows}

    def get(self, model: type[Any], row_id: str) -> Any:  # noqa: ANN401 - a row of it
        """Return a row, or None."""
        return self._rows.get((model, row_id))

    get_one = get


def main() -> None:
    """Measure."""
    given = measure.options(__doc__ or "", N).parse_args()
    app, session, surveys = _world(given.n)
    before = measure.peak_mb()
    sides = _ours(app, session, surveys), _bound(app, surveys)
    for side in sides:
        side(0)  # templates are compiled once
    rates: tuple[list[float], list[float]] = [], []
    for _ in range(given.rounds * SLICES):
        for side, rate in zip(sides, rates, strict=True):
            rate.append(_rate(side, max(1, given.n // SLICES)))
    told = measure.compared(given.n, *rates)
    told["peak_mb"] = round(measure.peak_mb() - before, 1)
    measure.tell("render", told, as_json=given.json)


def _ours(app: App, session: Memory, surveys: Sequence[Survey]) -> Send:
    effects = [
        Effect(key=f"ask:{survey.id}", kind=Kind.ASK, lane="mail.letters", survey_id=survey.id)
        for survey in surveys
    ]

    def send(at: int) -> bytes:
        mail = ask.request(app, cast("Session", session), effects[at])
        assert not isinstance(mail, Skip)
        return request_for(mail)

    return send


def _bound(app: App, surveys: Sequence[Survey]) -> Send:
    loader = app.letters._environment.loader  # noqa: SLF001 - the same HTML, compiled from MJML
    jinja = Environment(
        loader=loader,
        autoescape=lambda name: not str(name).endswith(".txt"),
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        auto_reload=False,
    )
    html, text = jinja.get_template("ask/body.mjml"), jinja.get_template("ask/body.txt")
    words = [
        common(app, survey)
        | {"unsubscribe_url": app.link(Purpose.LEAVE, survey.id), "lang": "en", "dir": "ltr"}
        | ask.words(app, survey)
        for survey in surveys
    ]

    def send(at: int) -> bytes:
        return (html.render(words[at]) + text.render(words[at])).encode()

    return send


def _rate(send: Send, n: int) -> float:
    started = time.perf_counter()
    for at in range(n):
        send(at)
    return n / (time.perf_counter() - started)


def _world(n: int) -> tuple[App, Memory, Sequence[Survey]]:
    """Return an app that has no database, and the records of people to be asked."""
    app = App(
        config=Config(company=Company(name="Example Ltd", postal_address="1 Example Street")),
        store=Store("sqlite://"),
        crms={},
        mailer=MemoryMailer(),
        letters=Letters(builtin=templates()),
        keys=Keys("a secret that only this benchmark knows"),
    )
    owners = [
        Owner(id=f"crm:{at}", crm="crm", remote_id=str(at), name=f"Olga Ownerly {at}")
        for at in range(50)
    ]
    contacts = [
        Contact(
            id=f"crm:c{at}",
            crm="crm",
            remote_id=f"c{at}",
            customer_id=f"p{at}",
            email=f"ann.{at}@acme.example",
            first_name="Ann",
            last_name=f"Archer {at}",
            owner_id=f"crm:{at % 50}",
        )
        for at in range(n)
    ]
    surveys = [_survey(at) for at in range(n)]
    return app, Memory([*owners, *contacts, *surveys]), surveys


def _survey(at: int) -> Survey:
    return Survey(
        id=f"s{at}",
        program="relationship",
        customer_id=f"p{at}",
        contact_id=f"crm:c{at}",
        stage=Stage.CHOSEN,
        chosen_at=NOW,
        expires_at=NOW + timedelta(days=60),
        answer_hash=f"a{at}",
        leave_hash=f"l{at}",
        snapshot={
            "email": f"ann.{at}@acme.example",
            "name": f"Ann Archer {at}",
            "first_name": "Ann",
            "product": "the Example",
            "reason": "",
            "locale": "en",
            "owner": "Olga Ownerly",
        },
    )


if __name__ == "__main__":
    main()
