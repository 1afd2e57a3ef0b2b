"""Takes the next batch of a lane, in one short transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Exists, Select, and_, exists, literal_column, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from loop.app import App
from loop.models import Contact, Customer, Effect, Suppression, Survey
from loop.states import MAIL_KINDS, OPEN, EffectState, Kind, Stage

LEASE: Final = timedelta(minutes=10)
"""Longer than any call may take: the transport's time-outs are far below it."""


def claim(app: App, lane: str, size: int, only: Kind | None = None) -> Sequence[Effect]:
    """Claim up to `size` effects that are due; none are returned only where none is due.

    A mail to somebody who has left, or whose survey is over, is settled here and not claimed.
    """
    while found := _claim(app, lane, size, only):
        if claimed := [effect for effect in found if effect.state is EffectState.CLAIMED]:
            return claimed
    return ()


def _claim(app: App, lane: str, size: int, only: Kind | None) -> Sequence[Effect]:
    """Claim or settle the next effects; return both."""
    with app.store.write() as session:
        found = session.scalars(_due(app, lane, only).limit(size)).all()
        stopped = _stopped(app, session, found)
        now = app.now()
        for effect in found:
            state = stopped.get(effect.id)
            effect.state = state or EffectState.CLAIMED
            if state is None:
                effect.worker, effect.lease_until = app.worker, now + LEASE
            else:
                effect.settled_at = now
        session.add_all(found)
    return found


def _due(app: App, lane: str, only: Kind | None) -> Select[Any]:
    query = (
        select(Effect)
        # the word itself, not a parameter: only so is the partial index used
        .where(literal_column("effect.state") == literal_column("'due'"))
        .where(col(Effect.lane) == lane, col(Effect.due_at) <= app.now())
        .order_by(col(Effect.due_at), col(Effect.account_id), col(Effect.id))
        .with_for_update(skip_locked=True)
    )
    return query if only is None else query.where(col(Effect.kind) == only)


def _stopped(app: App, session: Session, found: Sequence[Effect]) -> dict[str, EffectState]:
    """Return the mails that must not go out any more, and as what they end."""
    mails = [effect.id for effect in found if effect.kind in MAIL_KINDS]
    if not mails:
        return {}
    rows = session.connection().execute(
        select(
            col(Effect.id),
            col(Effect.kind),
            col(Survey.stage),
            col(Survey.expires_at),
            col(Suppression.address_hash),
            col(Customer.forgotten_at),
            col(Contact.gone_at),
            _opted_out(),
        )
        .join(Survey, col(Survey.id) == col(Effect.survey_id))
        .outerjoin(Contact, col(Contact.id) == col(Survey.contact_id))
        .join(Customer, col(Customer.id) == col(Survey.customer_id))
        .outerjoin(
            Suppression,
            and_(
                col(Suppression.address_hash) == col(Customer.address_hash),
                col(Customer.address_hash) != "",
            ),
        )
        .where(col(Effect.id).in_(mails))
    )
    stopped: dict[str, EffectState] = {}
    for effect_id, kind, stage, expires_at, *gone, opted in rows:
        if opted or any(reason is not None for reason in gone):
            stopped[effect_id] = EffectState.SUPPRESSED
        elif kind == Kind.ASK and (stage not in OPEN or expires_at <= app.now()):
            left = stage in {Stage.UNSUBSCRIBED, Stage.BOUNCED, Stage.FORGOTTEN}
            stopped[effect_id] = EffectState.SUPPRESSED if left else EffectState.EXPIRED
    return stopped


def _opted_out() -> Exists:
    """Return whether any record of a survey's customer says so."""
    other = aliased(Contact)
    return exists().where(
        col(other.customer_id) == col(Survey.customer_id),
        col(other.opted_out),
        col(other.gone_at).is_(None),
    )
