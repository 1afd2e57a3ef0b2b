"""Settles mails about which nobody could know, by what the provider and the customers tell."""

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlmodel import col

from loop.app import App
from loop.models import Answer, Effect, MailEvent
from loop.outbox.record import Handlers, settle_unknown
from loop.states import EffectState, Kind


def settle_by_evidence(app: App, handlers: Handlers) -> int:
    """Settle what is unknown and proven: an event came for it, or its question was answered.

    The proof may have come before the effect was unknown: while a dead worker still held it.
    """
    told = exists().where(col(MailEvent.effect_key) == col(Effect.key))
    answered = (col(Effect.kind) == Kind.ASK) & exists().where(
        col(Answer.survey_id) == col(Effect.survey_id)
    )
    with app.store.write() as session:
        keys: Sequence[str] = session.scalars(
            select(col(Effect.key)).where(col(Effect.state) == EffectState.UNKNOWN, told | answered)
        ).all()
        for key in keys:
            settle_unknown(app, session, key, EffectState.DONE, handlers)
    return len(keys)
