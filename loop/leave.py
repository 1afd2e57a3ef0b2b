"""The ways out: bounced, unsubscribed, lapsed, forgotten; and what the mail provider tells."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from connectors.ports import MailEvent, MailEventKind
from loop import models, moves
from loop.app import App, hash_of
from loop.correspondence import addresses
from loop.identity import NO_WORDS
from loop.models import Contact, Customer, Effect, Survey
from loop.outbox import settle_unknown
from loop.outbox.deliver import Handlers
from loop.states import OPEN, SURVEY, EffectState, Stage
from loop.store import at_hand, chunks, table, upsert
from loop.suppression import Why, lift, suppress, suppressed

LAPSE: Final = 500
OF_CONSEQUENCE: Final = frozenset(
    {
        MailEventKind.BOUNCED,
        MailEventKind.DROPPED,
        MailEventKind.COMPLAINED,
        MailEventKind.UNSUBSCRIBED,
    }
)


def find(session: Session, token: str, *, lock: bool = False) -> Survey | None:
    """Return the survey whose mail has this unsubscribe link; it never expires.

    With `lock` nobody else moves it until the transaction ends.
    """
    query = select(Survey).where(col(Survey.leave_hash) == hash_of(token))
    return session.scalars(query.with_for_update() if lock else query).first()


def unsubscribe(app: App, session: Session, survey: Survey, why: Why = Why.UNSUBSCRIBED) -> None:
    """Write to this person never again. Doing it twice is the same as once."""
    suppress(session, [survey.customer_id], why, app.now(), addresses(app, [survey]))
    for stands in _open(session, survey.customer_id):
        moves.survey(session, stands, Stage.UNSUBSCRIBED, app.now(), why)


def resubscribe(app: App, session: Session, survey: Survey) -> None:
    """Take an unsubscribe back, at the person's own wish; a complaint stands."""
    lift(session, survey.customer_id, addresses(app, [survey]))
    again = survey.stage is Stage.UNSUBSCRIBED and survey.asked_at is not None
    if (
        again
        and app.now() < survey.expires_at
        and not suppressed(session, survey.customer_id)
        and not any(one.expires_at > app.now() for one in _open(session, survey.customer_id))
    ):
        moves.survey(session, survey, Stage.ASKED, app.now(), "undone")


def _open(session: Session, customer_id: str) -> Sequence[Survey]:
    query = select(Survey).where(
        col(Survey.customer_id) == customer_id, col(Survey.stage).in_(OPEN)
    )
    query = query.order_by(col(Survey.id)).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).all()


def take_events(app: App, events: Sequence[MailEvent], handlers: Handlers) -> int:
    """Keep what the provider tells, in any order and any number of copies; count the new."""
    return app.store.work(lambda session: _take_all(app, session, events, handlers))


def _take_all(app: App, session: Session, events: Sequence[MailEvent], handlers: Handlers) -> int:
    effects = _effects(session, {event.mail_key for event in events if event.mail_key})
    known = at_hand(session, models.MailEvent, (event.id for event in events))
    seen = {event.id for event in known}
    fresh = {
        event.id: event for event in events if event.mail_key in effects and event.id not in seen
    }
    upsert(session, models.MailEvent, [_row(event) for event in fresh.values()])
    moved = [
        effects[event.mail_key].survey_id
        for event in fresh.values()
        if event.kind in OF_CONSEQUENCE or effects[event.mail_key].state is EffectState.UNKNOWN
    ]
    held = at_hand(session, Survey, moved, lock=True)  # in the order that everybody keeps
    for event in fresh.values():
        _take(app, session, event, effects[event.mail_key], handlers)
    del held
    return len(fresh)


def _effects(session: Session, keys: Collection[str]) -> dict[str, Effect]:
    """Return the mails of these keys, by key."""
    return {
        effect.key: effect
        for some in chunks(sorted(keys))
        for effect in session.scalars(select(Effect).where(col(Effect.key).in_(some)))
    }


def _row(event: MailEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "effect_key": event.mail_key,
        "kind": event.kind,
        "permanent": event.permanent,
        "reason": event.reason.replace("\x00", "\ufffd"),  # no database keeps it
        "at": event.at,
    }


def _take(app: App, session: Session, event: MailEvent, effect: Effect, handlers: Handlers) -> None:
    if effect.state is EffectState.UNKNOWN:
        settle_unknown(app, session, event.mail_key, EffectState.DONE, handlers)
    if event.kind in OF_CONSEQUENCE:
        survey = session.get_one(
            Survey, effect.survey_id, with_for_update=True, populate_existing=True
        )
        _mind(app, session, survey, event)


def _mind(app: App, session: Session, survey: Survey, event: MailEvent) -> None:
    """Draw the consequence for the person."""
    match event.kind:
        case MailEventKind.BOUNCED if event.permanent:
            sent_to = addresses(app, [survey])
            suppress(session, [survey.customer_id], Why.BOUNCED, app.now(), sent_to)
            if (survey.stage, Stage.BOUNCED) in SURVEY:
                moves.survey(session, survey, Stage.BOUNCED, app.now(), event.kind)
        case MailEventKind.DROPPED:
            if (survey.stage, Stage.BOUNCED) in SURVEY:
                moves.survey(session, survey, Stage.BOUNCED, app.now(), event.kind)
        case MailEventKind.COMPLAINED:
            unsubscribe(app, session, survey, Why.COMPLAINED)
        case MailEventKind.UNSUBSCRIBED:
            unsubscribe(app, session, survey)


def lapse(app: App) -> int:
    """Let surveys that nobody answered in time lapse; return how many."""
    with app.store.write() as session:
        found = session.scalars(
            select(Survey)
            .where(col(Survey.stage).in_(OPEN), col(Survey.expires_at) <= app.now())
            .limit(LAPSE)
            .with_for_update()
        ).all()
        for survey in found:
            moves.survey(session, survey, Stage.LAPSED, app.now())
    return len(found)


def forget(app: App, session: Session, customer: Customer) -> None:
    """Erase what we know of a person; only the keyed hash of the address stays, suppressed.

    Scores stay without a name or a comment, so that figures remain true.
    """
    now = app.now()
    suppress(session, [customer.id], Why.FORGOTTEN, now)
    connection = session.connection()
    contacts, surveys = table(Contact), table(Survey)
    mine = select(surveys.c.id).where(surveys.c.customer_id == customer.id)
    connection.execute(
        update(contacts)
        .where(contacts.c.customer_id == customer.id)
        .values(gone_at=now, **NO_WORDS)
    )
    for survey in session.scalars(select(Survey).where(col(Survey.customer_id) == customer.id)):
        survey.snapshot = {**dict.fromkeys(survey.snapshot, ""), "locale": "en"}
        if survey.stage is not Stage.FORGOTTEN:
            moves.survey(session, survey, Stage.FORGOTTEN, now)
    session.flush()
    for model in (models.Answer, models.Revision):
        told = table(model)
        connection.execute(update(told).where(told.c.survey_id.in_(mine)).values(comment=""))
    _forget_effects(session, customer)
    _forget_words(session, customer)
    connection.execute(
        delete(table(models.Ledger)).where(table(models.Ledger).c.customer_id == customer.id)
    )
    customer.email, customer.forgotten_at = None, now
    session.add(customer)


def _forget_effects(session: Session, customer: Customer) -> None:
    """Drop what is still owed, save for what has been claimed."""
    effects, surveys = table(Effect), table(Survey)
    mine = select(surveys.c.id).where(surveys.c.customer_id == customer.id)
    session.connection().execute(
        update(effects)
        .where(effects.c.survey_id.in_(mine), effects.c.state == EffectState.DUE)
        .values(state=EffectState.DROPPED, problem="the customer was forgotten")
    )


def _forget_words(session: Session, customer: Customer) -> None:
    """Erase what others wrote about the person: a case's subject, a mail server's reply."""
    contacts, surveys, effects = table(Contact), table(Survey), table(Effect)
    triggers, events = table(models.Trigger), table(models.MailEvent)
    records = select(contacts.c.id).where(contacts.c.customer_id == customer.id)
    mine = select(surveys.c.id).where(surveys.c.customer_id == customer.id)
    keys = select(effects.c.key).where(effects.c.survey_id.in_(mine))
    connection = session.connection()
    connection.execute(
        update(triggers).where(triggers.c.contact_id.in_(records)).values(subject="")
    )
    connection.execute(update(events).where(events.c.effect_key.in_(keys)).values(reason=""))
