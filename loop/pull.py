"""Stage 1: customers come in from the CRM.

A page of records and the watermark behind it are kept in one transaction, so a pull that was
killed goes on where it stopped, and pulling the same page twice changes nothing.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import DataError
from sqlmodel import Session, col

from connectors import ports
from loop import identity
from loop.app import App
from loop.columns import new_id
from loop.gathered import gathered
from loop.models import (
    Account,
    Answer,
    Contact,
    Customer,
    Owner,
    Survey,
    Trigger,
    Watermark,
)
from loop.outbox import Owed, owe
from loop.states import Kind
from loop.store import among, chunks, table, upsert

CONTACT_FIELDS: Final = (
    "email",
    "first_name",
    "last_name",
    "title",
    "account_id",
    "owner_id",
    "locale",
    "product",
    "opted_out",
    "bounced",
    "gone_at",
)
UNKEEPABLE: Final = (DataError, ValueError)
"""What a database says to a text with NUL or half a character in it."""

Keep = Callable[[Session, str, ports.Page[Any]], None]
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pulled:
    """A page has come in and is kept."""

    crm: str
    records: str
    count: int
    gone: int
    bad: int = 0
    """Records that no database keeps as they are; the log names them."""


def customers(app: App, *, only: str = "") -> Iterator[Pulled]:
    """Bring in what changed in each CRM since last time; tell of each page once it is kept.

    Raises a `ConnectorError` where a CRM does not answer; what came in before is kept.
    """
    for crm in app.crms.values():
        if only in {"", crm.name}:
            for pulled in _all_of(app, crm):
                yield pulled
                if app.stopping.is_set():
                    return


def _all_of(app: App, crm: ports.Crm) -> Iterator[Pulled]:
    for page in crm.owners():
        with app.store.write() as session:
            _keep_owners(session, crm.name, page)
        yield Pulled(crm.name, "owners", len(page.records), 0)
    yield from _since(app, crm, "accounts", crm.accounts, partial(_keep_accounts, app))
    yield from _since(app, crm, "contacts", crm.contacts, partial(_keep_contacts, app))
    yield from _since(app, crm, "triggers", crm.triggers, _keep_triggers)


def _since(
    app: App,
    crm: ports.Crm,
    records: str,
    source: Callable[[str | None], Iterator[ports.Page[Any]]],
    keep: Keep,
) -> Iterator[Pulled]:
    with app.store.read() as session:
        mark = session.get(Watermark, (crm.name, records))
    for page in gathered(source(mark.value if mark else None), app.stopping):
        bad = 0
        try:
            _keep(app, crm.name, records, page, keep)
        except UNKEEPABLE:
            good = [one for one in page.records if _keeps(app, crm.name, one, keep)]
            bad = len(page.records) - len(good)
            _keep(app, crm.name, records, msgspec.structs.replace(page, records=good), keep)
        gone = len(page.gone) + len(page.merged)
        yield Pulled(crm.name, records, len(page.records) - bad, gone, bad)


def _keep(app: App, crm: str, records: str, page: ports.Page[Any], keep: Keep) -> None:
    """Keep a page, and where the next pull starts."""
    with app.store.write() as session:
        keep(session, crm, page)
        if page.watermark is not None:
            row = {"crm": crm, "records": records, "value": page.watermark, "at": app.now()}
            upsert(session, Watermark, [row], key=("crm", "records"), update=("value", "at"))


def _keeps(app: App, crm: str, record: Any, keep: Keep) -> bool:  # noqa: ANN401 - any kind
    """Tell whether a record can be kept by itself; one that cannot stops no other."""
    try:
        with app.store.write() as session:
            keep(session, crm, ports.Page(records=[record]))
    except UNKEEPABLE as error:
        log.warning("%s %s cannot be kept: %s", crm, record.id, type(error).__name__)
        return False
    return True


def _keep_owners(session: Session, crm: str, page: ports.Page[ports.Owner]) -> None:
    rows = [
        {
            "id": f"{crm}:{owner.id}",
            "crm": crm,
            "remote_id": owner.id,
            "name": owner.name,
            "email": owner.email,
            "active": owner.active,
        }
        for owner in page.records
    ]
    upsert(session, Owner, rows, update=("name", "email", "active"))


def _keep_accounts(app: App, session: Session, crm: str, page: ports.Page[ports.Account]) -> None:
    rows = [
        {
            "id": f"{crm}:{account.id}",
            "crm": crm,
            "remote_id": account.id,
            "name": account.name,
            "owner_id": _there(crm, account.owner_id),
            "industry": account.industry,
            "gone_at": None,
        }
        for account in page.records
    ]
    upsert(session, Account, rows, update=("name", "owner_id", "industry", "gone_at"))
    _mark_gone(app, session, Account, crm, [*page.gone, *page.merged])
    for loser, winner in page.merged.items():
        for model in (Contact, Survey):
            session.connection().execute(
                update(table(model))
                .where(table(model).c.account_id == f"{crm}:{loser}")
                .values(account_id=f"{crm}:{winner}")
            )


def _keep_contacts(app: App, session: Session, crm: str, page: ports.Page[ports.Contact]) -> None:
    known = _known(session, [f"{crm}:{contact.id}" for contact in page.records])
    people: dict[str, _Person] = {}
    rows = [_row(crm, contact, known, people) for contact in page.records]
    made = upsert(session, Customer, _customers(app, list(people.values())))
    if made < len(people):
        _same_person(session, rows, {person.id: person.address for person in people.values()})
    fresh = {person.id for person in people.values()}
    if known:
        _renamed(app, session, rows, known, fresh)
    upsert(session, Contact, rows, update=("customer_id", *CONTACT_FIELDS))
    joined = {row["customer_id"] for row in rows if row["id"] not in known} - fresh
    for row in rows:
        was_id = known[row["id"]][1] if row["id"] in known else row["customer_id"]
        if was_id != row["customer_id"]:
            if row["customer_id"] in fresh:
                identity.follow(app, session, was_id, row["customer_id"])
            identity.hand_over(app, session, row["id"], row["id"], row["customer_id"])
            identity.empty(app, session, was_id, row["customer_id"])
            joined |= {was_id, row["customer_id"]}
    _mark_gone(app, session, Contact, crm, [*page.gone, *page.merged])
    for loser in page.merged:
        winner = _survivor(page.merged, loser)
        joined |= _merge(app, session, f"{crm}:{loser}", f"{crm}:{winner}")
    _owe_scores(app, session, sorted(joined))


class _Person(NamedTuple):
    """Somebody whom we may not know yet."""

    id: str
    address: str
    """Empty where there is none."""


def _known(session: Session, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return address and customer of the contacts that we have already."""
    query = "SELECT id, email, customer_id FROM contact WHERE id IN"
    return {row[0]: (row[1], row[2]) for row in among(session, query, ids)}


def _row(
    crm: str,
    contact: ports.Contact,
    known: Mapping[str, tuple[str, str]],
    people: dict[str, _Person],
) -> dict[str, Any]:
    """Return the contact's row; a person we may not know yet goes into `people`, by address."""
    row_id, address = f"{crm}:{contact.id}", normal(contact.email)
    before = known.get(row_id)
    if before is not None and address in {"", normal(before[0])}:
        customer_id = before[1]  # a record that loses its address is still the same person's
    else:
        person = people.get(address or row_id)
        if person is None:
            person = people[address or row_id] = _Person(new_id(), address)
        customer_id = person.id
    return {
        "id": row_id,
        "crm": crm,
        "remote_id": contact.id,
        "customer_id": customer_id,
        "email": contact.email,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "title": contact.title,
        "account_id": _there(crm, contact.account_id),
        "owner_id": _there(crm, contact.owner_id),
        "locale": contact.locale,
        "product": contact.product,
        "opted_out": contact.opted_out,
        "bounced": contact.bounced,
        "gone_at": None,
    }


def _customers(app: App, people: Sequence[_Person]) -> list[dict[str, Any]]:
    now = app.now()
    return [
        {
            "id": person.id,
            "email": person.address or None,
            "address_hash": app.keys.address(person.address) if person.address else "",
            "created_at": now,
            "forgotten_at": None,
        }
        for person in people
    ]


def _same_person(session: Session, rows: Sequence[dict[str, Any]], made: Mapping[str, str]) -> None:
    """Let rows whose person was known under their address (`made`, by id) point to that person."""
    addresses = [address for address in made.values() if address]
    query = "SELECT email, id FROM customer WHERE email IN"
    found: dict[str, str] = dict(map(tuple, among(session, query, addresses)))
    for row in rows:
        address = made.get(row["customer_id"])
        if address:
            row["customer_id"] = found[address]


def _renamed(
    app: App,
    session: Session,
    rows: Sequence[dict[str, Any]],
    known: Mapping[str, tuple[str, str]],
    fresh: Collection[str],
) -> None:
    """Let somebody whose address changed stay the same person, where nobody else is meant.

    That is: their person has no other record, and nobody else has or had the new address.
    """
    records = Counter(row["customer_id"] for row in rows)
    for row in rows:
        now_id, was_id = row["customer_id"], known.get(row["id"], ("", ""))[1]
        only = records[now_id] == 1 and not records[was_id]
        if was_id and now_id in fresh and only and identity.alone(session, was_id, row["id"]):
            identity.rename(app, session, was_id, now_id)
            row["customer_id"] = was_id
            records[was_id] += 1


def _mark_gone(
    app: App, session: Session, model: type[Account | Contact], crm: str, ids: Sequence[str]
) -> None:
    for some in chunks([f"{crm}:{remote}" for remote in ids]):
        session.connection().execute(
            update(table(model))
            .where(table(model).c.id.in_(some), table(model).c.gone_at.is_(None))
            .values(gone_at=app.now())
        )


def _merge(app: App, session: Session, loser_id: str, winner_id: str) -> set[str]:
    """Hand over what came through the loser; return whose people they were."""
    loser, winner = session.get(Contact, loser_id), session.get(Contact, winner_id)
    if loser is None or winner is None:
        return set()
    was_id, loser.customer_id = loser.customer_id, winner.customer_id
    identity.follow(app, session, was_id, winner.customer_id)
    identity.hand_over(app, session, loser.id, winner.id, winner.customer_id)
    identity.empty(app, session, was_id, winner.customer_id)
    return {was_id, winner.customer_id}


def _survivor(merged: Mapping[str, str], loser: str) -> str:
    """Return who is left in the end: winners can lose as well."""
    met, winner = {loser}, merged[loser]
    while winner in merged and winner not in met:
        met.add(winner)
        winner = merged[winner]
    return winner


def _owe_scores(app: App, session: Session, customer_ids: Sequence[str]) -> None:
    """Owe the score to the records of people who have answered and whose records changed hands."""
    now = app.now()
    for some in chunks(customer_ids):
        answered = select(col(Answer.customer_id)).where(col(Answer.customer_id).in_(some))
        contacts = session.scalars(
            select(Contact).where(
                col(Contact.customer_id).in_(answered),
                col(Contact.gone_at).is_(None),
                col(Contact.crm).in_(tuple(app.crms)),
            )
        )
        owed = [
            Owed(
                kind=Kind.SCORE,
                about=contact.id,
                due_at=now,
                crm=contact.crm,
                contact_id=contact.id,
                account_id=contact.account_id,
            )
            for contact in contacts
        ]
        owe(session, owed, now)


def _keep_triggers(session: Session, crm: str, page: ports.Page[ports.Trigger]) -> None:
    rows = [
        {
            "id": f"{crm}:{trigger.id}",
            "crm": crm,
            "event": str(trigger.event),
            "contact_id": f"{crm}:{trigger.contact_id}",
            "subject": trigger.subject,
            "at": trigger.at,
            "survey_id": None,
        }
        for trigger in page.records
        if trigger.contact_id
    ]
    upsert(session, Trigger, rows, update=("subject", "contact_id"))


def normal(address: str) -> str:
    """Return an address as we compare it: without space around it, in lower case."""
    address = address.strip().lower()
    return address if "@" in address else ""


def _there(crm: str, remote_id: str) -> str:
    return f"{crm}:{remote_id}" if remote_id else ""
