"""Contacts and the people behind them: who is new, who has another address, who was forgotten."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session, col

from connectors import ports
from loop import identity, suppression
from loop.app import App
from loop.columns import new_id
from loop.models import Account, Answer, Contact, Customer
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


def keep(app: App, session: Session, crm: str, page: ports.Page[ports.Contact]) -> None:
    """Keep a page of contacts, and the people behind them."""
    known = known_contacts(session, [f"{crm}:{contact.id}" for contact in page.records])
    theirs = of_the_forgotten(session, known)
    people: dict[str, _Person] = {}
    rows = [
        _row(crm, contact, known, people)
        for contact in page.records
        if f"{crm}:{contact.id}" not in theirs  # who was forgotten stays so
    ]
    rows = _without_the_forgotten(app, session, rows, known, people)
    made = upsert(session, Customer, _customers(app, list(people.values())))
    if made < len(people):
        _same_person(session, rows, {person.id: person.address for person in people.values()})
    fresh = {person.id for person in people.values()}
    if known:
        _renamed(app, session, rows, known, fresh)
    upsert(session, Contact, rows, update=("customer_id", *CONTACT_FIELDS))
    joined = {row["customer_id"] for row in rows if row["id"] not in known} - fresh
    joined |= _changed_hands(app, session, rows, known, fresh)
    mark_gone(app, session, Contact, crm, [*page.gone, *page.merged])
    for loser in page.merged:
        winner = _survivor(page.merged, loser)
        joined |= _merge(app, session, f"{crm}:{loser}", f"{crm}:{winner}")
    _owe_scores(app, session, sorted(joined))


def _changed_hands(
    app: App,
    session: Session,
    rows: Sequence[dict[str, Any]],
    known: Mapping[str, tuple[str, str]],
    fresh: Collection[str],
) -> set[str]:
    """Hand over what came through records that are somebody else's now; return whose."""
    joined: set[str] = set()
    for row in rows:
        was_id = known[row["id"]][1] if row["id"] in known else row["customer_id"]
        if was_id != row["customer_id"]:
            if row["customer_id"] in fresh:
                identity.follow(app, session, was_id, row["customer_id"])
            identity.hand_over(app, session, row["id"], row["id"], row["customer_id"])
            identity.empty(app, session, was_id, row["customer_id"])
            joined |= {was_id, row["customer_id"]}
    return joined


class _Person(NamedTuple):
    """Somebody whom we may not know yet."""

    id: str
    address: str
    """Empty where there is none."""


def known_contacts(session: Session, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return address and customer of the contacts that we have already."""
    query = "SELECT id, email, customer_id FROM contact WHERE id IN"
    return {row[0]: (row[1], row[2]) for row in among(session, query, ids)}


def of_the_forgotten(session: Session, known: Mapping[str, tuple[str, str]]) -> set[str]:
    """Return which of the contacts that we have are of people who were forgotten."""
    gone = identity.forgotten(session, (customer_id for _, customer_id in known.values()))
    return {row_id for row_id, (_, customer_id) in known.items() if customer_id in gone}


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
        "account_id": there(crm, contact.account_id),
        "owner_id": there(crm, contact.owner_id),
        "locale": contact.locale,
        "product": contact.product,
        "opted_out": contact.opted_out,
        "bounced": contact.bounced,
        "gone_at": None,
    }


def _without_the_forgotten(
    app: App,
    session: Session,
    rows: list[dict[str, Any]],
    known: Mapping[str, tuple[str, str]],
    people: dict[str, _Person],
) -> list[dict[str, Any]]:
    """Return the rows of all but those whose address is that of somebody who was forgotten.

    A record that was somebody else's is erased with it.
    """
    hashes = {app.keys.address(one.address): one for one in people.values() if one.address}
    gone = {hashes[each].id for each in suppression.forgotten(session, list(hashes))}
    for one in [one for one in people.values() if one.id in gone]:
        del people[one.address]
    came = [row["id"] for row in rows if row["id"] in known and row["customer_id"] in gone]
    identity.erase(session, came, app.now())
    return [row for row in rows if row["customer_id"] not in gone]


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


def mark_gone(
    app: App, session: Session, model: type[Account | Contact], crm: str, ids: Sequence[str]
) -> None:
    """Note that these are no longer in the CRM."""
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


def normal(address: str) -> str:
    """Return an address as we compare it: without space around it, in lower case."""
    address = address.strip().lower()
    return address if "@" in address else ""


def there(crm: str, remote_id: str) -> str:
    """Return the id of what a record points to; empty where it points nowhere."""
    return f"{crm}:{remote_id}" if remote_id else ""
