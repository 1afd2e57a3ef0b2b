"""Fetches what a choice goes by, a page of people at a time: records, clocks, events and room.

However many people there are, only a page of them is held, and each look at the database is a
short one.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from loop.app import App
from loop.choose.judge import Candidate, Room, Rules
from loop.columns import Instant
from loop.config import Program
from loop.models import Account, Contact, Customer, Owner, Suppression, Survey, Trigger
from loop.slots import At
from loop.states import OPEN, Stage
from loop.store import chunks

PAGE: Final = 2000


def room(app: App) -> Room:
    """Return how many more can be asked today, by the clock of `schedule`, and per account."""
    day = midnights(app.config.schedule.timezone)
    start = day.latest(app.now())
    since = col(Survey.stage).in_(list(Stage)), col(Survey.chosen_at) >= start  # by its index
    with app.store.read() as session:
        today = session.connection().scalar(select(func.count()).select_from(Survey).where(*since))
    return Room(
        today=app.config.ask.per_day_max - (today or 0),
        tomorrow=day.following(app.now()),
        per_account=app.config.ask.per_account_max,
    )


def midnights(zone: str) -> At:
    """Return when days begin in a time zone."""
    return At(("00:00",), zone)


def asked_lately(app: App, page: Sequence[Candidate]) -> Counter[str]:
    """Return how many people of these people's accounts were asked within the rest."""
    since = app.now() - timedelta(days=app.config.ask.rest_days)
    found: Counter[str] = Counter()
    with app.store.read() as session:
        for some in chunks(sorted({person.account_id for person in page} - {""})):
            query = (
                select(col(Survey.account_id), func.count())
                .where(col(Survey.account_id).in_(some), col(Survey.chosen_at) > since)
                .group_by(col(Survey.account_id))
            )
            found.update(dict(session.connection().execute(query).all()))
    return found


def pages(app: App, rules: Rules) -> Iterator[list[Candidate]]:
    """Return everybody this program might ask, a page at a time.

    For a relationship in the order of their hashes: that is as good as chance, and the same
    each time, nobody comes first for their name. After events, whoever waits longest is first.
    """
    relationship = rules.program.kind == "relationship"
    return _everybody(app, rules) if relationship else _after_events(app, rules)


def _everybody(app: App, rules: Rules) -> Iterator[list[Candidate]]:
    place = col(Customer.address_hash), col(Customer.id)
    query = _people().where(col(Customer.forgotten_at).is_(None)).order_by(*place).limit(PAGE)
    after = tuple_(literal(""), literal(""))
    while True:
        with app.store.read() as session:
            people = session.connection().execute(query.where(tuple_(*place) > after)).all()
            page = _candidates(app, session, people)
            page = list(_clocked(session, rules, page))
        if not people:
            return
        yield page
        after = tuple_(literal(people[-1].address_hash), literal(people[-1].id))


def _after_events(app: App, rules: Rules) -> Iterator[list[Candidate]]:
    place = col(Trigger.at), col(Trigger.id)
    query = _newest_events(rules).order_by(*place).limit(PAGE)
    after = tuple_(literal(datetime.min.replace(tzinfo=UTC), Instant), literal(""))
    while True:
        with app.store.read() as session:
            events = session.connection().execute(query.where(tuple_(*place) > after)).all()
            waiting = {event.customer_id: event for event in events}
            people = _those(session, list(waiting))
            page = _candidates(app, session, people, {event.contact_id for event in events})
            page = [
                replace(person, trigger_id=waiting[person.customer_id].id)
                for person in _clocked(session, rules, page)
            ]
        if not events:
            return
        yield sorted(page, key=lambda person: list(waiting).index(person.customer_id))
        after = tuple_(literal(events[-1].at, Instant), literal(events[-1].id))


def _people() -> Select[*tuple[Any, ...]]:
    """Return customers, and whether their address is suppressed."""
    suppressed = and_(
        col(Suppression.address_hash) == col(Customer.address_hash),
        col(Customer.address_hash) != "",
    )
    return select(
        col(Customer.id),
        col(Customer.address_hash),
        col(Suppression.address_hash).label("suppressed"),
    ).outerjoin(Suppression, suppressed)


def _those(session: Session, ids: Sequence[str]) -> list[Row[Any]]:
    query = _people().where(col(Customer.forgotten_at).is_(None))
    return [
        person
        for some in chunks(ids)
        for person in session.connection().execute(query.where(col(Customer.id).in_(some)))
    ]


def _newest_events(rules: Rules) -> Select[*tuple[Any, ...]]:
    """Return the newest ripe event of each customer that has set nothing off."""
    newer, record = aliased(Trigger), aliased(Contact)
    newest = ~(
        select(col(newer.id))
        .join(record, col(record.id) == col(newer.contact_id))
        .where(
            col(record.customer_id) == col(Contact.customer_id),
            tuple_(col(newer.at), col(newer.id)) > tuple_(col(Trigger.at), col(Trigger.id)),
            *_ripe(rules, newer, record),
        )
        .exists()
    )
    return (
        select(col(Contact.customer_id), col(Trigger.contact_id), col(Trigger.at), col(Trigger.id))
        .join(Contact, col(Contact.id) == col(Trigger.contact_id))
        .where(*_ripe(rules, Trigger, Contact), newest)
    )


def _ripe(
    rules: Rules, trigger: type[Trigger], record: type[Contact]
) -> Iterator[ColumnElement[bool]]:
    yield col(trigger.survey_id).is_(None)
    yield col(trigger.event) == rules.program.event
    yield col(trigger.at) <= rules.now - timedelta(hours=rules.program.delay_hours)
    yield col(trigger.at) > rules.now - timedelta(days=rules.program.expires_days)
    yield col(record.gone_at).is_(None)


def _candidates(
    app: App, session: Session, people: Sequence[Row[Any]], through: Collection[str] = ()
) -> list[Candidate]:
    """Return those people with a live record, in their order, each through one with an address.

    That is the record that is named (`through`), or the one in the first CRM.
    """
    first = {name: place for place, name in enumerate(app.crms)}
    records: dict[str, list[Row[Any]]] = defaultdict(list)
    for record in _records(session, [person.id for person in people]):
        records[record.customer_id].append(record)

    def rank(record: Row[Any]) -> tuple[bool, bool, int, str]:
        place = first.get(record.crm, len(first))
        return not record.email.strip(), record.id not in through, place, record.id

    return [
        _candidate(min(mine, key=rank), mine, suppressed=person.suppressed is not None)
        for person in people
        if (mine := records.get(person.id))
    ]


def _candidate(best: Row[Any], mine: Sequence[Row[Any]], *, suppressed: bool) -> Candidate:
    return Candidate(
        customer_id=best.customer_id,
        contact_id=best.id,
        account_id=best.account_id,
        owner_id=best.owner_id,
        email=best.email,
        opted_out=any(record.opted_out for record in mine),
        bounced=any(record.bounced for record in mine),
        suppressed=suppressed,
    )


def _records(session: Session, ids: Sequence[str]) -> Iterator[Row[*tuple[Any, ...]]]:
    query = select(
        col(Contact.customer_id),
        col(Contact.id),
        col(Contact.crm),
        col(Contact.account_id),
        col(Contact.owner_id),
        col(Contact.email),
        col(Contact.opted_out),
        col(Contact.bounced),
    ).where(col(Contact.gone_at).is_(None))
    for some in chunks(ids):
        mine = query.where(col(Contact.customer_id).in_(some))
        yield from session.connection().execute(mine)


def _clocked(session: Session, rules: Rules, page: Sequence[Candidate]) -> Iterator[Candidate]:
    """Tell of each when they were last chosen, and whether a survey of theirs is open."""
    stands = col(Survey.stage).in_(OPEN) & (col(Survey.expires_at) > rules.now)
    this = case((col(Survey.program) == rules.name, col(Survey.chosen_at)))
    query = select(
        col(Survey.customer_id),
        func.max(col(Survey.chosen_at), type_=Instant).label("asked_at"),
        func.max(this, type_=Instant).label("program_at"),
        func.max(case((stands, 1), else_=0)).label("open_survey"),
    ).group_by(col(Survey.customer_id))
    for some in chunks(page):
        mine = query.where(col(Survey.customer_id).in_([person.customer_id for person in some]))
        clocks = {row.customer_id: row for row in session.connection().execute(mine)}
        for person in some:
            clock = clocks.get(person.customer_id)
            yield (
                person
                if clock is None
                else replace(
                    person,
                    asked_at=clock.asked_at,
                    program_at=clock.program_at,
                    open_survey=bool(clock.open_survey),
                )
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
