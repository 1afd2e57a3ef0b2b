"""Takes the next batch of a lane, in one short transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Exists, Select, and_, exists, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from loop.app import App
from loop.columns import new_id
from loop.models import Call, Contact, Customer, Effect, Suppression, Survey
from loop.states import MAIL_KINDS, OPEN, EffectState, Kind, Stage
from loop.store import add, chunks, table

LEASE: Final = timedelta(minutes=10)
"""Longer than any call may take: the transport's time-outs are far below it."""


@dataclass(frozen=True)
class Claimed:
    """A batch that is ours for as long as its call has its lease."""

    call: Call
    effects: Sequence[Effect]


def claim(app: App, lane: str, size: int, only: Kind | None = None) -> Claimed | None:
    """Claim up to `size` effects that are due; None where none is.

    A mail to somebody who has left, or whose survey is over, is settled here and not claimed.
    """
    while claimed := _claim(app, lane, size, only):
        if claimed.effects:
            return claimed
    return None


def _claim(app: App, lane: str, size: int, only: Kind | None) -> Claimed | None:
    """Claim or settle the next effects; none are claimed where all of them were settled.

    Where the connection broke at the commit, look whether the claim was kept.
    """
    call = Call(id=new_id(), lane=lane, worker=app.worker, size=0, started_at=app.now())
    tried: list[Session] = []

    def unit(session: Session) -> Claimed | None:
        if tried and (kept := session.get(Call, call.id)):
            return Claimed(kept, session.scalars(_of(kept)).all())
        tried.append(session)
        found = session.scalars(_due(app, lane, only).limit(size)).all()
        if not found:
            return None
        session.expunge_all()
        stopped = _stopped(app, session, found)
        _settle(session, stopped, app.now())
        held = [effect for effect in found if effect.id not in stopped]
        return Claimed(call, _hold(app, session, call, held))

    return app.store.work(unit)


def _hold(app: App, session: Session, call: Call, effects: Sequence[Effect]) -> Sequence[Effect]:
    """Write the call down, and that it holds these effects."""
    if not effects:
        return ()
    now, row = app.now(), table(Effect)
    call.size, call.started_at, call.lease_until = len(effects), now, now + LEASE
    add(session, Call, [call.model_dump()])
    for some in chunks([effect.id for effect in effects]):
        held = {"state": EffectState.CLAIMED, "call_id": call.id}
        session.connection().execute(update(row).where(row.c.id.in_(some)).values(**held))
    for effect in effects:
        effect.state, effect.call_id = EffectState.CLAIMED, call.id
    return effects


def _settle(session: Session, stopped: Mapping[str, EffectState], now: datetime) -> None:
    """Let the mails that must not go out end as they are to end."""
    row = table(Effect)
    for state in set(stopped.values()):
        for some in chunks([effect_id for effect_id, its in stopped.items() if its is state]):
            ended = {"state": state, "settled_at": now}
            session.connection().execute(update(row).where(row.c.id.in_(some)).values(**ended))


def _of(call: Call) -> Select[Any]:
    """Return the query for what a call holds."""
    return (
        select(Effect)
        .where(col(Effect.state) == EffectState.CLAIMED, col(Effect.call_id) == call.id)
        .order_by(col(Effect.due_at), col(Effect.account_id), col(Effect.id))
    )


def _due(app: App, lane: str, only: Kind | None) -> Select[Any]:
    query = (
        select(Effect)
        .where(
            col(Effect.state) == EffectState.DUE,
            col(Effect.lane) == lane,
            col(Effect.due_at) <= app.now(),
        )
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
