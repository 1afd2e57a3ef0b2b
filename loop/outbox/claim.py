"""Takes the next batch of a lane, in one short transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Exists, Select, and_, exists, select, tuple_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from loop.app import App
from loop.columns import new_id
from loop.models import Call, Contact, Customer, Effect, Suppression, Survey
from loop.outbox import lease
from loop.outbox.lanes import alone
from loop.states import MAIL_KINDS, OPEN, EffectState, Kind, Stage
from loop.store import chunks, table, upsert


@dataclass(frozen=True)
class Claimed:
    """A batch that is ours for as long as its call has its lease."""

    call: Call
    effects: Sequence[Effect]


def claim(app: App, lane: str, size: int, only: Kind | None = None) -> Claimed | None:
    """Claim up to `size` effects that are due; None where none is, or where it is not our turn.

    A service that takes one call at a time is ours alone until the call is over. A mail to
    somebody who has left, or whose survey is over, is settled here and not claimed.
    """
    while claimed := _claim(app, lane, size, only):
        if claimed.effects:
            return claimed
    return None


def _claim(app: App, lane: str, size: int, only: Kind | None) -> Claimed | None:
    """Claim or settle the next effects; none are claimed where all of them were settled."""
    call = _new(app, lane)
    tried = False

    def unit(session: Session) -> Claimed | None:
        nonlocal tried
        if tried and (kept := session.get(Call, call.id)):
            return Claimed(kept, session.scalars(_of(kept)).all())  # the commit was kept after all
        tried = True
        found = session.scalars(_due(app, lane, only).limit(size)).all()
        session.expunge_all()
        stopped = _stopped(app, session, found)
        _settle(session, stopped, app.now())
        held = [effect for effect in found if effect.id not in stopped]
        ours = bool(found) and (not held or _hold(session, call, held))
        return Claimed(call, held) if ours else None

    return app.store.work(unit)


def _new(app: App, lane: str) -> Call:
    now = app.now()
    return Call(
        id=new_id(),
        lane=lane,
        worker=app.worker,
        size=0,
        alone=alone(app, lane),
        started_at=now,
        lease_until=now + lease.LEASE,
    )


def _hold(session: Session, call: Call, effects: Sequence[Effect]) -> bool:
    """Write the call down, and that it holds these effects; tell whether it was its turn."""
    call.size = len(effects)
    if not upsert(session, Call, [call.model_dump()]):
        return False
    row, held = table(Effect), {"state": EffectState.CLAIMED, "call_id": call.id}
    for some in chunks([effect.id for effect in effects]):
        session.connection().execute(update(row).where(row.c.id.in_(some)).values(held))
    for effect in effects:
        effect.state, effect.call_id = EffectState.CLAIMED, call.id
    return True


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
    stopped: dict[str, EffectState] = {}
    rows = session.connection().execute(_standing(app.now()).where(col(Effect.id).in_(mails)))
    for effect_id, kind, stage, expires_at, otherwise, *gone in rows:
        if any(reason is not None for reason in gone):
            stopped[effect_id] = EffectState.SUPPRESSED
        elif kind == Kind.ASK and (stage not in OPEN or expires_at <= app.now() or otherwise):
            left = stage in {Stage.UNSUBSCRIBED, Stage.BOUNCED, Stage.FORGOTTEN}
            stopped[effect_id] = EffectState.SUPPRESSED if left else EffectState.EXPIRED
    return stopped


def _standing(now: datetime) -> Select[*tuple[Any, ...]]:
    """Return how the survey of a mail stands, and each reason why its person gets none."""
    opted_out = aliased(Contact)
    return (
        select(
            col(Effect.id),
            col(Effect.kind),
            col(Survey.stage),
            col(Survey.expires_at),
            _asked_otherwise(now),
            col(Suppression.address_hash),
            col(Customer.forgotten_at),
            col(Contact.gone_at),
            col(opted_out.id),
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
        .outerjoin(
            opted_out,  # any record of theirs that says so
            and_(
                col(opted_out.customer_id) == col(Survey.customer_id),
                col(opted_out.opted_out),
                col(opted_out.gone_at).is_(None),
            ),
        )
    )


def _asked_otherwise(now: datetime) -> Exists:
    """Return whether another question to the same person is out, or comes first.

    They may have become one person since they were chosen, and what was refused or doubtful may
    be owed again.
    """
    other, its = aliased(Survey), aliased(Effect)
    out = col(its.state).in_((EffectState.CLAIMED, EffectState.DONE, EffectState.UNKNOWN))
    chosen = tuple_(col(other.chosen_at), col(other.id))
    first = chosen < tuple_(col(Survey.chosen_at), col(Survey.id))
    return exists().where(
        col(other.customer_id) == col(Survey.customer_id),
        col(other.id) != col(Survey.id),
        col(other.stage).in_(OPEN),
        col(other.expires_at) > now,
        col(its.survey_id) == col(other.id),
        col(its.kind) == Kind.ASK,
        out | ((col(its.state) == EffectState.DUE) & first),
    )
