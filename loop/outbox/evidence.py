"""Settles mails about which nobody could know, by what the provider and the customers tell.

Three kinds of evidence, each with its time: an event of the provider, or an answer to the mail,
whenever it comes; the provider's own records, asked from some minutes on; and when a day has
passed without either, the operator's word. A mail is never sent again for want of evidence.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, select
from sqlmodel import Session, col

from connectors.errors import ConnectorError
from connectors.ports import Searchable, Sought
from loop.app import App
from loop.models import Answer, Call, Contact, Effect, MailEvent, Survey
from loop.outbox.record import Handlers, settle_unknown
from loop.states import EffectState, Kind, Stage

log: Final = logging.getLogger(__name__)
EVIDENCE_WAIT: Final = timedelta(hours=26)
"""How long evidence may still come: SendGrid posts an event for 24 hours until it is taken."""
LOOK_AFTER: Final = timedelta(minutes=5)
"""Most events have come by then, and the provider's records are written."""
LOOK_MAX: Final = 50
"""How many mails are looked up at a time."""
NOT_SHOWN: Final = "; the provider's records did not show it at "


def settle_by_evidence(app: App, handlers: Handlers) -> int:
    """Settle what is unknown and proven: an event came for it, or its question was answered.

    The proof may have come before the effect was unknown: while a dead worker still held it.
    """
    told = exists().where(col(MailEvent.effect_key) == col(Effect.key))
    answered = (col(Effect.kind) == Kind.ASK) & exists().where(
        col(Answer.survey_id) == col(Effect.survey_id)
    )
    with app.store.read() as session:
        keys = session.scalars(
            select(col(Effect.key)).where(col(Effect.state) == EffectState.UNKNOWN, told | answered)
        ).all()
    return _settle(app, keys, handlers)


def settle_by_look_up(app: App, handlers: Handlers) -> int:
    """Ask the provider's records about unknown mails, and settle what they prove accepted.

    What they do not show stays unknown: they may lag behind, so it is asked for again, after
    twice as long each time.
    """
    if not isinstance(app.mailer, Searchable):
        return 0
    sought = _sought(app)
    try:
        found = app.mailer.look_up(sought) if sought else {}
    except ConnectorError as error:
        log.info("what became of %d mails cannot be looked up: %s", len(sought), error)
        return 0
    app.store.work(lambda session: _look_again(app, session, found))
    return _settle(app, [key for key, shown in found.items() if shown], handlers)


def may_come(effect: Effect, now: datetime) -> bool:
    """Tell whether evidence of an unknown mail is still to be hoped for."""
    return effect.settled_at is not None and effect.settled_at > now - EVIDENCE_WAIT


def waits_for_operator(now: datetime) -> ColumnElement[bool]:
    """Return the condition for unknown mails of which no evidence is to be hoped for any more."""
    since = col(Effect.settled_at)
    return (col(Effect.state) == EffectState.UNKNOWN) & (since <= now - EVIDENCE_WAIT)


def _settle(app: App, keys: Sequence[str], handlers: Handlers) -> int:
    def unit(session: Session) -> int:
        return sum(
            settle_unknown(app, session, key, EffectState.DONE, handlers) for key in sorted(keys)
        )

    return app.store.work(unit) if keys else 0


def _sought(app: App) -> list[Sought]:
    """Return the unknown mails whose turn it is; `due_at` says when that is."""
    now = app.now()
    query = (
        select(Effect, Call, Survey, Contact)
        .join(Survey, col(Survey.id) == col(Effect.survey_id))
        .outerjoin(Call, col(Call.id) == col(Effect.call_id))
        .outerjoin(Contact, col(Contact.id) == col(Survey.contact_id))
        .where(col(Effect.state) == EffectState.UNKNOWN, col(Effect.due_at) <= now)
        .where(col(Effect.settled_at) <= now - LOOK_AFTER)
        .where(col(Survey.stage) != Stage.FORGOTTEN)  # nobody knows the address any more
        .order_by(col(Effect.due_at), col(Effect.id))
        .limit(LOOK_MAX)
    )
    with app.store.read() as session:
        return [
            Sought(
                key=effect.key,
                to=_addresses(survey, contact),
                since=call.started_at if call else effect.created_at,
                until=effect.settled_at or now,
            )
            for effect, call, survey, contact in session.execute(query)
        ]


def _addresses(survey: Survey, contact: Contact | None) -> list[str]:
    """Return where a mail may have gone: the address may have changed since."""
    known = [contact.email if contact else "", survey.snapshot["email"]]
    return list(dict.fromkeys(address.strip() for address in known if address.strip()))


def _look_again(app: App, session: Session, found: Mapping[str, bool]) -> None:
    """Put off the next look at what was not shown, and say so where the operator sees it."""
    now = app.now()
    missing = [key for key, shown in found.items() if not shown]
    query = select(Effect).where(col(Effect.key).in_(missing)).with_for_update()
    for effect in session.scalars(query.order_by(col(Effect.id))):
        if effect.state is EffectState.UNKNOWN and effect.settled_at is not None:
            effect.due_at = now + (now - effect.settled_at)
            before = effect.problem.partition(NOT_SHOWN)[0]
            effect.problem = f"{before}{NOT_SHOWN}{now:%Y-%m-%d %H:%M} UTC"
            session.add(effect)
