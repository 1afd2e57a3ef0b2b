"""Who is who: surveys, answers and a referral follow the record that they came through."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlmodel import Session, col

from loop import moves
from loop.app import App
from loop.models import Answer, Contact, Customer, Effect, Referral, Survey, Trigger
from loop.states import OPEN, EffectState, Kind, Stage
from loop.store import among, chunks, table
from loop.suppression import carry

NO_WORDS: Final = {"first_name": "", "last_name": "", "email": "", "title": ""}
"""What a record says of a person who was forgotten."""


def alone(session: Session, customer_id: str, contact_id: str) -> bool:
    """Tell whether this is the only record of a person."""
    others = select(col(Contact.id)).where(
        col(Contact.customer_id) == customer_id, col(Contact.id) != contact_id
    )
    return session.connection().execute(others.limit(1)).first() is None


def rename(app: App, session: Session, customer_id: str, new_id: str) -> None:
    """Give a person the address of somebody who was made for that address just now."""
    person, made = session.get_one(Customer, customer_id), session.get_one(Customer, new_id)
    email, address_hash = made.email, made.address_hash
    session.delete(made)
    session.flush()
    carry(session, person.address_hash, address_hash, app.now())
    person.email, person.address_hash = email, address_hash
    session.flush()


def follow(app: App, session: Session, was_id: str, now_id: str) -> None:
    """Let a wish not to be written to follow to the same human's other address."""
    was, now = session.get(Customer, was_id), session.get(Customer, now_id)
    if was is not None and now is not None:
        carry(session, was.address_hash, now.address_hash, app.now())


def hand_over(app: App, session: Session, was: str, contact_id: str, customer_id: str) -> None:
    """Hand all that came through a record to another record, or to another person, or both."""
    connection = session.connection()
    surveys, answers, triggers = table(Survey), table(Answer), table(Trigger)
    if was != contact_id:
        connection.execute(
            update(triggers).where(triggers.c.contact_id == was).values(contact_id=contact_id)
        )
    mine = select(surveys.c.id).where(surveys.c.contact_id == was)
    ids = connection.execute(mine).scalars().all()
    for some in chunks(ids):
        connection.execute(
            update(answers).where(answers.c.survey_id.in_(some)).values(customer_id=customer_id)
        )
        connection.execute(
            update(surveys)
            .where(surveys.c.id.in_(some))
            .values(contact_id=contact_id, customer_id=customer_id)
        )
    if ids:
        _referral(session, ids, customer_id)
        _one_question(app, session, customer_id)


def empty(app: App, session: Session, was_id: str, now_id: str) -> None:
    """Let the gone records of a person who has no other go along, with all that they know."""
    records = session.scalars(select(Contact).where(col(Contact.customer_id) == was_id)).all()
    if was_id == now_id or any(record.gone_at is None for record in records):
        return
    for record in records:
        record.customer_id = now_id
        session.flush()
        hand_over(app, session, record.id, record.id, now_id)


def _referral(session: Session, survey_ids: Sequence[str], customer_id: str) -> None:
    """Hand the promoter's link over, unless the person has one already."""
    own = select(Referral).where(col(Referral.customer_id) == customer_id)
    if session.scalars(own).first() is not None:
        return
    for some in chunks(survey_ids):
        came = select(Referral).where(col(Referral.survey_id).in_(some)).order_by(col(Referral.id))
        if (referral := session.scalars(came).first()) is not None:
            referral.customer_id = customer_id
            session.flush()
            return


def _one_question(app: App, session: Session, customer_id: str) -> None:
    """Let questions lapse that have not gone out, where the person has another one open."""
    stand = session.scalars(
        select(Survey)
        .where(
            col(Survey.customer_id) == customer_id,
            col(Survey.stage).in_(OPEN),
            col(Survey.expires_at) > app.now(),
        )
        .order_by(col(Survey.chosen_at), col(Survey.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    keys = [f"{Kind.ASK}:{survey.id}" for survey in stand]
    due = select(col(Effect.survey_id)).where(
        col(Effect.key).in_(keys), col(Effect.state) == EffectState.DUE
    )
    waiting = set(session.scalars(due))
    asked = [survey for survey in stand if survey.id not in waiting]
    spare = [survey for survey in stand if survey.id in waiting]
    for survey in spare if asked else spare[1:]:
        moves.survey(session, survey, Stage.LAPSED, app.now(), "another question is open")
    session.flush()


def forgotten(session: Session, customer_ids: Iterable[str]) -> set[str]:
    """Return who of these was forgotten."""
    query = "SELECT id FROM customer WHERE forgotten_at IS NOT NULL AND id IN"
    return {row[0] for row in among(session, query, sorted(set(customer_ids)))}


def erase(session: Session, contact_ids: Sequence[str], now: datetime) -> None:
    """Keep nothing of these records but that they were there."""
    contacts = table(Contact)
    for some in chunks(contact_ids):
        session.connection().execute(
            update(contacts).where(contacts.c.id.in_(some)).values(gone_at=now, **NO_WORDS)
        )
