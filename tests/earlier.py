"""Databases as earlier versions left them: rows of every table, frozen, in the shape of then.

Nothing here is changed when the program changes: whoever adds a version adds its rows. It was
Sunday evening; the program was stopped in the middle of its work.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""By table, in an order in which they can be inserted."""

SATURDAY: Final = datetime(2030, 1, 5, 9, tzinfo=UTC)
SUNDAY: Final = SATURDAY + timedelta(days=1)
MARCH: Final = SATURDAY + timedelta(days=60)
CRM: Final = "memory_crm"
PEOPLE: Final = ("ann", "bob", "cleo", "dora", "emil", "fay")
"""Ann was unhappy, Bob's mail was being sent, Cleo's is doubtful, Dora is asked, Emil is a
promoter, and Fay has left."""


def fill(connection: Connection, rows: Rows) -> None:
    """Insert the rows into tables of their own time."""
    for name, table in tables(connection).items():
        if name in rows:
            for row in rows[name]:
                connection.execute(table.insert().values(row))


def contents(connection: Connection, known: Mapping[str, Table]) -> dict[str, list[Row]]:
    """Return all that is in these tables, in an order of its own."""
    return {
        name: sorted((dict(row) for row in connection.execute(table.select()).mappings()), key=repr)
        for name, table in known.items()
        if name != "alembic_version"
    }


def tables(connection: Connection) -> dict[str, Table]:
    """Return the tables that there are, as they are."""
    known = MetaData()
    known.reflect(connection)
    return {table.name: table for table in known.sorted_tables}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _survey(person: str, stage: str, **more: Any) -> Row:  # noqa: ANN401 - a row's values
    return {
        "id": f"s-{person}",
        "program": "relationship",
        "customer_id": person,
        "contact_id": f"{CRM}:{person}",
        "account_id": f"{CRM}:a1",
        "owner_id": f"{CRM}:o1",
        "trigger_id": None,
        "stage": stage,
        "chosen_at": SATURDAY,
        "asked_at": SATURDAY + timedelta(minutes=1),
        "expires_at": MARCH,
        "answer_hash": _hash(f"answer-{person}"),
        "leave_hash": _hash(f"leave-{person}"),
        "snapshot": {
            "first_name": person.title(),
            "name": person.title(),
            "email": f"{person}@acme.example",
            "locale": "en",
            "product": "the Example",
            "reason": "",
            "basis": "existing customer",
            "account": "Acme",
            "owner": "Olga Ownerly",
        },
    } | more


def _effect(kind: str, about: str, state: str, lane: str, **more: Any) -> Row:  # noqa: ANN401 - a row's values
    over = state in {"done", "unknown", "refused", "suppressed", "expired", "dropped"}
    return {
        "id": f"e-{kind}-{about}",
        "key": f"{kind}:{about}",
        "kind": kind,
        "lane": lane,
        "state": state,
        "survey_id": None,
        "contact_id": None,
        "account_id": None,
        "signup_id": None,
        "due_at": SATURDAY,
        "tries": 0,
        "version": 0,
        "worker": None,
        "lease_until": None,
        "remote_id": "",
        "problem": "",
        "created_at": SATURDAY,
        "settled_at": SATURDAY + timedelta(minutes=1) if over else None,
    } | more


def _ask(person: str, state: str, **more: Any) -> Row:  # noqa: ANN401 - a row's values
    return _effect("ask", f"s-{person}", state, "mail.letters", survey_id=f"s-{person}", **more)


def _step(person: str, number: int, was: str, to: str) -> Row:
    at = SATURDAY + timedelta(minutes=number)
    return {
        "id": f"t-{person}-{number}",
        "survey_id": f"s-{person}",
        "was": was,
        "to": to,
        "at": at,
        "why": "",
    }


_CLAIMED: Final = {"worker": "host-17", "lease_until": SUNDAY + timedelta(minutes=10)}

ROWS: Final[Mapping[str, Rows]] = {
    "0001": {
        "account": [
            {
                "id": f"{CRM}:a1",
                "crm": CRM,
                "remote_id": "a1",
                "name": "Acme",
                "owner_id": f"{CRM}:o1",
                "industry": "Toys",
                "gone_at": None,
            }
        ],
        "customer": [
            {
                "id": person,
                "email": f"{person}@acme.example",
                "address_hash": f"hash-of-{person}",
                "created_at": SATURDAY,
                "forgotten_at": None,
            }
            for person in PEOPLE
        ],
        "effect": [
            _ask("ann", "done", remote_id="mail-1"),
            _ask("bob", "claimed", **_CLAIMED),
            _ask("cleo", "unknown", problem="the answer was lost"),
            _ask("dora", "done", remote_id="mail-2"),
            _ask("emil", "done", remote_id="mail-3"),
            _ask("fay", "suppressed"),
            _effect(
                "score",
                f"{CRM}:ann",
                "claimed",
                f"{CRM}.scores",
                contact_id=f"{CRM}:ann",
                survey_id="s-ann",
                account_id=f"{CRM}:a1",
                tries=1,
                version=2,
                **_CLAIMED,
            ),
            _effect(
                "task", "s-ann", "done", f"{CRM}.tasks", survey_id="s-ann", remote_id="task-ann"
            ),
            _effect(
                "history",
                f"s-emil:{CRM}:emil",
                "due",
                f"{CRM}.answers",
                survey_id="s-emil",
                contact_id=f"{CRM}:emil",
                account_id=f"{CRM}:a1",
            ),
            _effect(
                "roll_up",
                f"{CRM}:a1",
                "refused",
                f"{CRM}.accounts",
                account_id=f"{CRM}:a1",
                problem="no such field",
            ),
            _effect("invite", "r-emil", "done", "mail.letters", survey_id="s-emil"),
            _effect("lead", "f-gus", "dropped", f"{CRM}.leads", signup_id="f-gus"),
        ],
        "jobrun": [
            {
                "name": name,
                "started_at": SUNDAY,
                "ended_at": SUNDAY + timedelta(seconds=2),
                "problem": "it is down" if name == "pull" else "",
            }
            for name in ("pull", "choose", "deliver", "close", "tidy")
        ],
        "ledger": [
            {
                "program": "relationship",
                "customer_id": person,
                "reason": "chosen",
                "at": SATURDAY,
                "next_at": MARCH if person == "ann" else None,
            }
            for person in PEOPLE
        ],
        "mailevent": [
            {
                "id": "event-1",
                "effect_key": "ask:s-dora",
                "kind": "delivered",
                "permanent": False,
                "reason": "",
                "at": SATURDAY,
            }
        ],
        "owner": [
            {
                "id": f"{CRM}:o1",
                "crm": CRM,
                "remote_id": "o1",
                "name": "Olga Ownerly",
                "email": "o1@us.example",
                "active": True,
            }
        ],
        "referral": [
            {
                "id": "r-emil",
                "survey_id": "s-emil",
                "customer_id": "emil",
                "state": "joined",
                "link_hash": _hash("refer-emil"),
                "created_at": SATURDAY,
                "expires_at": SATURDAY + timedelta(days=365),
            }
        ],
        "revision": [
            {
                "id": f"v-{person}",
                "survey_id": f"s-{person}",
                "score": score,
                "comment": comment,
                "way": "page",
                "at": SATURDAY,
            }
            for person, score, comment in (
                ("ann", 2, "It was slow, día y noche."),
                ("emil", 10, ""),
            )
        ],
        "signup": [
            {
                "id": "f-gus",
                "referral_id": "r-emil",
                "first_name": "Gus",
                "last_name": "Gray",
                "company": "Gray & Sons",
                "email": "gus@gray.example",
                "consent": "Example Ltd may keep what I wrote here",
                "at": SUNDAY,
            }
        ],
        "step": [
            _step("ann", 0, "", "chosen"),
            _step("ann", 1, "chosen", "asked"),
            _step("ann", 2, "asked", "answered"),
            _step("bob", 0, "", "chosen"),
        ],
        "suppression": [{"address_hash": "hash-of-fay", "reason": "unsubscribed", "at": SATURDAY}],
        "trigger": [
            {
                "id": f"{CRM}:k1",
                "crm": CRM,
                "event": "case_closed",
                "contact_id": f"{CRM}:dora",
                "subject": "It rattles",
                "at": SATURDAY,
                "survey_id": "s-dora",
            }
        ],
        "visit": [{"id": "w-1", "referral_id": "r-emil", "at": SUNDAY}],
        "watermark": [{"crm": CRM, "records": "contacts", "value": "7", "at": SUNDAY}],
        "contact": [
            {
                "id": f"{CRM}:{person}",
                "crm": CRM,
                "remote_id": person,
                "customer_id": person,
                "email": f"{person}@acme.example",
                "first_name": person.title(),
                "last_name": "Archer",
                "title": "",
                "account_id": f"{CRM}:a1",
                "owner_id": f"{CRM}:o1",
                "locale": "en",
                "product": "",
                "opted_out": False,
                "bounced": False,
                "gone_at": None,
            }
            for person in PEOPLE
        ],
        "survey": [
            _survey("ann", "answered"),
            _survey("bob", "chosen", asked_at=None),
            _survey("cleo", "chosen", asked_at=None),
            _survey("dora", "asked", trigger_id=f"{CRM}:k1", program="support"),
            _survey("emil", "answered"),
            _survey("fay", "unsubscribed"),
        ],
        "answer": [
            {
                "survey_id": f"s-{person}",
                "customer_id": person,
                "score": score,
                "comment": comment,
                "way": "page",
                "answered_at": SATURDAY,
                "changed_at": SATURDAY,
            }
            for person, score, comment in (
                ("ann", 2, "It was slow, día y noche."),
                ("emil", 10, ""),
            )
        ],
        "case": [
            {
                "survey_id": "s-ann",
                "state": "open",
                "task_crm": CRM,
                "task_id": "task-ann",
                "owner_id": f"{CRM}:o1",
                "opened_at": SATURDAY,
                "closed_at": None,
            }
        ],
    }
}
