"""People who were asked, as the benchmarks of what comes after that need them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import insert
from sqlmodel import Session

from connectors.memory import MemoryMailer
from connectors.ports import Crm
from loop.app import App, Keys, Purpose
from loop.config import Config
from loop.letters import Letters
from loop.models import Account, Contact, Customer, Survey
from loop.resources import templates
from loop.states import Stage
from loop.store import Store, table

CRM: Final = "memory_crm"
KEYS: Final = Keys("a secret that only this benchmark knows")
OPEN_DAYS: Final = 60
AT_ONCE: Final = 1_000


def app(url: str, crms: Mapping[str, Crm]) -> App:
    """Return an app on this database."""
    return App(
        config=Config(),
        store=Store(url),
        crms=crms,
        mailer=MemoryMailer(),
        letters=Letters(builtin=templates()),
        keys=KEYS,
    )


def insert_all(session: Session, model: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows, some at a time."""
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        session.connection().execute(insert(table(model)), some)


def ask(session: Session, n: int, now: datetime) -> None:
    """Make `n` customers who were asked, ten of each company."""
    insert_all(session, Account, (_account(at) for at in range(n // 10 + 1)))
    insert_all(session, Customer, (_customer(at, now) for at in range(n)))
    insert_all(session, Contact, (_contact(at) for at in range(n)))
    insert_all(session, Survey, (_survey(at, now) for at in range(n)))


def number(at: int) -> str:
    """Return the id of a customer, and of the survey to them."""
    return f"{at:032x}"


def _account(at: int) -> dict[str, Any]:
    return {"id": f"{CRM}:a{at}", "crm": CRM, "remote_id": f"a{at}", "name": f"Acme {at}"}


def _customer(at: int, now: datetime) -> dict[str, Any]:
    email = f"ann.{at}@acme.example"
    return {
        "id": number(at),
        "email": email,
        "address_hash": KEYS.address(email),
        "created_at": now,
    }


def _contact(at: int) -> dict[str, Any]:
    return {
        "id": f"{CRM}:c{at}",
        "crm": CRM,
        "remote_id": f"c{at}",
        "customer_id": number(at),
        "email": f"ann.{at}@acme.example",
        "first_name": "Ann",
        "last_name": f"Archer {at}",
        "account_id": f"{CRM}:a{at // 10}",
    }


def _survey(at: int, now: datetime) -> dict[str, Any]:
    return {
        "id": number(at),
        "program": "relationship",
        "customer_id": number(at),
        "contact_id": f"{CRM}:c{at}",
        "account_id": f"{CRM}:a{at // 10}",
        "owner_id": "",
        "stage": Stage.ASKED,
        "chosen_at": now,
        "asked_at": now,
        "expires_at": now + timedelta(days=OPEN_DAYS),
        "answer_hash": KEYS.hash_of(Purpose.ANSWER, number(at)),
        "leave_hash": KEYS.hash_of(Purpose.LEAVE, number(at)),
        "snapshot": {"first_name": "Ann", "product": "the Example", "reason": "", "locale": "en"},
    }
