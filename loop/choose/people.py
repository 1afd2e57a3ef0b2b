"""Fetches what a choice goes by: people with their records, clocks, events and room."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Select, and_, func, select
from sqlmodel import Session, col

from loop.app import App
from loop.choose.judge import Candidate, Room, Rules
from loop.columns import Instant
from loop.config import Program
from loop.models import Account, Contact, Customer, Owner, Suppression, Survey, Trigger
from loop.states import OPEN
from loop.store import chunks

FETCH: Final = 2000


@dataclass(kw_only=True)
class Clocks:
    """When people were last chosen, and whose survey is open."""

    any_program: dict[str, datetime]
    this_program: dict[str, datetime]
    open: set[str]


def room(app: App) -> Room:
    """Return how many more can be asked today (UTC), and per account."""
    midnight = datetime.combine(app.now().astimezone(UTC), time(), UTC)
    since = app.now() - timedelta(days=app.config.ask.rest_days)
    with app.store.read() as session:
        today = session.connection().scalar(
            select(func.count()).select_from(Survey).where(col(Survey.chosen_at) >= midnight)
        )
        accounts = session.connection().execute(
            select(col(Survey.account_id), func.count())
            .where(col(Survey.chosen_at) > since, col(Survey.account_id) != "")
            .group_by(col(Survey.account_id))
        )
        return Room(
            today=app.config.ask.per_day_max - (today or 0),
            per_account=app.config.ask.per_account_max,
            account=Counter(dict(accounts.all())),
        )


def candidates(app: App, rules: Rules) -> Iterator[Candidate]:
    """Return everybody this program might ask, one at a time, in the order of their hashes.

    That is as good as chance, and the same each time: nobody comes first for their name.
    """
    with app.store.read() as session:
        clocks = _clocks(session, rules.name, rules.now)
        if rules.program.kind == "relationship":
            everybody = _rows(app, session, None)
            yield from (_clocked(person, clocks) for person in everybody)
            return
        waiting = _triggers(session, rules)
        through = {contact for contact, _ in waiting.values()}
        for some in chunks(sorted(waiting)):
            for person in _rows(app, session, some, through):
                trigger = waiting[person.customer_id][1]
                yield _clocked(replace(person, trigger_id=trigger), clocks)


def _clocks(session: Session, program: str, now: datetime) -> Clocks:
    newest = func.max(col(Survey.chosen_at), type_=Instant)
    each = select(col(Survey.customer_id), newest).group_by(col(Survey.customer_id))
    stands = col(Survey.stage).in_(OPEN), col(Survey.expires_at) > now
    still = select(col(Survey.customer_id)).where(*stands)
    connection = session.connection()
    return Clocks(
        any_program=dict(connection.execute(each).all()),
        this_program=dict(connection.execute(each.where(col(Survey.program) == program)).all()),
        open=set(connection.execute(still).scalars()),
    )


def _clocked(person: Candidate, clocks: Clocks) -> Candidate:
    if person.customer_id not in clocks.any_program:
        return person
    return replace(
        person,
        asked_at=clocks.any_program[person.customer_id],
        program_at=clocks.this_program.get(person.customer_id),
        open_survey=person.customer_id in clocks.open,
    )


def _triggers(session: Session, rules: Rules) -> dict[str, tuple[str, str]]:
    """Return the contact and the newest ripe event of each customer that has set nothing off."""
    ripe = rules.now - timedelta(hours=rules.program.delay_hours)
    stale = rules.now - timedelta(days=rules.program.expires_days)
    found = session.connection().execute(
        select(col(Contact.customer_id), col(Contact.id), col(Trigger.id))
        .join(Contact, col(Contact.id) == col(Trigger.contact_id))
        .where(
            col(Trigger.survey_id).is_(None),
            col(Trigger.event) == rules.program.event,
            col(Trigger.at) <= ripe,
            col(Trigger.at) > stale,
            col(Contact.gone_at).is_(None),
        )
        .order_by(col(Trigger.at), col(Trigger.id))
    )
    return {customer: (contact, trigger) for customer, contact, trigger in found}


def _rows(
    app: App, session: Session, only: Sequence[str] | None, through: Collection[str] = ()
) -> Iterator[Candidate]:
    """Return people with a live record, each through one that has an address.

    That is the record that is named (`through`), or the one in the first CRM.
    """
    first = {name: place for place, name in enumerate(app.crms)}
    query = _contacts().where(col(Contact.gone_at).is_(None), col(Customer.forgotten_at).is_(None))
    if only is not None:
        query = query.where(col(Contact.customer_id).in_(only))
    found = session.connection().execution_options(yield_per=FETCH).execute(query)
    for customer_id, records in groupby(found, key=lambda row: row.customer_id):
        mine = sorted(
            records,
            key=lambda row: (
                not row.email.strip(),
                row.id not in through,
                first.get(row.crm, len(first)),
                row.id,
            ),
        )
        best = mine[0]
        yield Candidate(
            customer_id=customer_id,
            contact_id=best.id,
            account_id=best.account_id,
            owner_id=best.owner_id,
            email=best.email,
            opted_out=any(row.opted_out for row in mine),
            bounced=any(row.bounced for row in mine),
            suppressed=best.suppressed is not None,
        )


def _contacts() -> Select[*tuple[Any, ...]]:
    return (
        select(
            col(Contact.customer_id),
            col(Contact.id),
            col(Contact.crm),
            col(Contact.account_id),
            col(Contact.owner_id),
            col(Contact.email),
            col(Contact.opted_out),
            col(Contact.bounced),
            col(Suppression.address_hash).label("suppressed"),
        )
        .join(Customer, col(Customer.id) == col(Contact.customer_id))
        .outerjoin(
            Suppression,
            and_(
                col(Suppression.address_hash) == col(Customer.address_hash),
                col(Customer.address_hash) != "",
            ),
        )
        .order_by(col(Customer.address_hash), col(Customer.id), col(Contact.id))
    )


def snapshots(
    app: App, session: Session, program: Program, chosen: Sequence[Candidate]
) -> dict[str, dict[str, str]]:
    """Return what matters about each of them now, by customer, to be kept with the survey."""
    made: dict[str, dict[str, str]] = {}
    by_contact = {person.contact_id: person for person in chosen}
    for some in chunks(list(by_contact)):
        for contact_id, account, owner in session.connection().execute(
            select(col(Contact.id), col(Account.name), col(Owner.name))
            .outerjoin(Account, col(Account.id) == col(Contact.account_id))
            .outerjoin(Owner, and_(col(Owner.id) == col(Contact.owner_id), col(Owner.active)))
            .where(col(Contact.id).in_(some))
        ):
            made[by_contact[contact_id].customer_id] = {
                "account": account or "",
                "owner": owner or "",
            }
    for contact in _contact_rows(session, list(by_contact)):
        made[by_contact[contact.id].customer_id] |= {
            "first_name": contact.first_name,
            "name": contact.name,
            "email": contact.email.strip(),
            "locale": contact.locale or "en",
            "product": contact.product or app.config.company.product or app.config.company.name,
            "reason": program.reason,
            "basis": "existing customer",
        }
    return made


def _contact_rows(session: Session, ids: Sequence[str]) -> Iterator[Contact]:
    for some in chunks(ids):
        yield from session.scalars(select(Contact).where(col(Contact.id).in_(some)))
