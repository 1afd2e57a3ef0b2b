"""Records how each effect ended, and settles what nobody could know."""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import Dialect, bindparam, literal_column, select, update
from sqlmodel import Session, col

from connectors.errors import ConnectorError, Doubtful, Unauthorized, Unavailable
from connectors.ports import Outcome
from loop.app import App
from loop.columns import Instant
from loop.models import Call, Effect, Survey
from loop.states import EFFECT, MAIL_KINDS, EffectState, Kind, check
from loop.store import PASSING, Many, at_hand, chunks, table

if TYPE_CHECKING:
    from loop.outbox.deliver import Handler

log: Final = logging.getLogger(__name__)
TRIES_MAX: Final = 30
"""About a day. Then the operator reads the service's words."""
OUTAGE_TRIES_MAX: Final = 7
"""Where the call failed as a whole it is not the effect's fault: it waits, but has tries left."""
WAIT_FIRST: Final = timedelta(seconds=20)
WAIT_MAX: Final = timedelta(hours=1)
WAIT_FOR_OPERATOR: Final = timedelta(minutes=15)
WAIT_AFTER_BUG: Final = timedelta(hours=1)
STOPPED: Final = "the program stopped during the call"

Handlers = Mapping[Kind, "Handler"]


class Bug(ConnectorError):
    """We made a mistake. The log has the traceback; the effect waits an hour."""


@dataclass(frozen=True)
class Result:
    """How the call ended for one effect."""

    effect: Effect
    outcome: Outcome
    skip: tuple[EffectState, str] | None = None
    """Nothing was sent: the state to end in, and why."""
    stops: bool = False
    """The call failed as a whole: the lane stops here."""
    called: bool = False
    """A bug came out of the call itself: the mail may be on its way."""


def record(app: App, call: Call, results: Sequence[Result], handlers: Handlers) -> None:
    """Record each outcome, and that the call is over.

    Where one outcome cannot be recorded the others are all the same. Where the database is away
    it is waited for: nobody else knows what the service said. Raise one of `PASSING` where it
    stays away; the effects are then settled as after a crash.
    """

    def unit(session: Session) -> None:
        _over(app, session, call, results)
        _record_all(app, session, results, handlers)

    try:
        app.store.work(unit, patient=True)
    except PASSING:
        raise
    except Exception:
        log.exception("call %s cannot be recorded in one", call.id)
        for result in results:
            _record_alone(app, result, handlers)
        app.store.work(lambda session: _over(app, session, call, results))


def _record_alone(app: App, result: Result, handlers: Handlers) -> None:
    """Record one outcome; where a bug of ours is in the way, what is known of it."""
    try:
        app.store.work(lambda session: _record_all(app, session, [result], handlers))
    except Exception as error:
        log.exception("effect %s met a bug of ours", result.effect.id)
        bug = Outcome(error=Bug(result.effect.lane, f"{type(error).__name__}; see the log"))
        known = Result(result.effect, bug, called=_may_have_gone(result))
        app.store.work(lambda session: _record_all(app, session, [known], handlers))


def _may_have_gone(result: Result) -> bool:
    error = result.outcome.error
    return result.skip is None and (error is None or isinstance(error, Doubtful))


def _over(app: App, session: Session, call: Call, results: Sequence[Result]) -> None:
    """End the call, first of all: calls are locked before surveys, and those before effects."""
    stopped = next((result.outcome.error for result in results if result.stops), None)
    row = table(Call)
    session.connection().execute(
        update(row)
        .where(row.c.id == call.id, row.c.ended_at.is_(None))
        .values(ended_at=app.now(), problem=stopped.problem if stopped else "")
    )


def _record_all(app: App, session: Session, results: Sequence[Result], handlers: Handlers) -> None:
    """Record the outcomes, those that nobody waits for in one statement."""
    simple = [result for result in results if _simple(result, handlers)]
    _record_each(app, session, [one for one in results if not _simple(one, handlers)], handlers)
    session.flush()
    if simple and _accepted(session, simple, app.now()) < len(simple):
        _record_each(app, session, simple, handlers)  # some have changed since, or are not ours


def _simple(result: Result, handlers: Handlers) -> bool:
    accepted = result.skip is None and result.outcome.error is None
    return accepted and handlers[result.effect.kind].done is None


def _accepted(session: Session, results: Sequence[Result], now: datetime) -> int:
    """Let all be done that are ours and as they were; return how many they are.

    In the order of their ids, as everybody locks effects: so nobody waits for one who waits.
    """
    rows = [
        {
            "effect_id": result.effect.id,
            "call": result.effect.call_id,
            "as_was": result.effect.version,
            "remote": result.outcome.remote_id or result.effect.remote_id,
            "now": now,
        }
        for result in sorted(results, key=lambda one: one.effect.id)
    ]
    return _accepting(session.get_bind().dialect, tuple(rows[0])).run(session, rows)


@lru_cache
def _accepting(dialect: Dialect, names: Sequence[str]) -> Many:
    check("effect", EFFECT, EffectState.CLAIMED, EffectState.DONE)
    row = table(Effect).c
    statement = (
        update(table(Effect))
        .where(row.id == bindparam("effect_id"), row.state == EffectState.CLAIMED)
        .where(row.call_id == bindparam("call"), row.version == bindparam("as_was"))
        .values(
            state=literal_column("'done'"),
            problem=literal_column("''"),
            remote_id=bindparam("remote"),
            settled_at=bindparam("now", type_=Instant()),
        )
    )
    return Many(dialect, statement, names)


def _record_each(app: App, session: Session, results: Sequence[Result], handlers: Handlers) -> None:
    # surveys before effects, as an answer does: so nobody waits for one who waits
    surveys = at_hand(session, Survey, (one.effect.survey_id for one in results), lock=True)
    effects = at_hand(session, Effect, (one.effect.id for one in results), lock=True)
    for result in results:
        _record_one(app, session, result, handlers)
    del surveys, effects


def _record_one(app: App, session: Session, result: Result, handlers: Handlers) -> None:
    effect = session.get_one(Effect, result.effect.id)  # held by `record`
    if not _waits_for(effect, result):
        return
    error = result.outcome.error
    if result.skip is not None:
        _end(effect, *result.skip, app.now())
    elif error is None:
        _done(app, session, effect, result, handlers)
    elif isinstance(error, (Unavailable, Unauthorized, Doubtful, Bug)):
        _put_off(app, effect, error, result)
    else:
        _refused(app, session, effect, error, handlers)
    if effect.version != result.effect.version:
        _due_again(app, effect)
    session.add(effect)


def _waits_for(effect: Effect, result: Result) -> bool:
    """Tell whether this result still counts.

    Where the lease ran out, somebody else has settled it since, and what it said is void; save
    that a mail of which nobody knew anything is settled by what its own call was told.
    """
    if effect.call_id != result.effect.call_id:
        return False
    if effect.state is EffectState.UNKNOWN:
        return result.skip is None and not isinstance(result.outcome.error, (Doubtful, Bug))
    return effect.state is EffectState.CLAIMED


def _done(app: App, session: Session, effect: Effect, result: Result, handlers: Handlers) -> None:
    effect.remote_id = result.outcome.remote_id or effect.remote_id
    _end(effect, EffectState.DONE, "", app.now())
    if (done := handlers[effect.kind].done) is not None:
        done(app, session, effect)


def _refused(
    app: App, session: Session, effect: Effect, error: ConnectorError, handlers: Handlers
) -> None:
    refused = handlers[effect.kind].refused
    instead = refused(app, session, effect, error) if refused is not None else None
    if instead is EffectState.DUE:
        effect.tries += 1
        _postpone(effect, error.problem, timedelta(), app.now())
    else:
        _end(effect, instead or EffectState.REFUSED, error.problem, app.now())


def _put_off(app: App, effect: Effect, error: ConnectorError, result: Result) -> None:
    """Try again later; a mail that may have been accepted is never simply sent again."""
    mail, now = effect.kind in MAIL_KINDS, app.now()
    if mail and (isinstance(error, Doubtful) or (isinstance(error, Bug) and result.called)):
        _end(effect, EffectState.UNKNOWN, error.problem, now)
        return
    effect.tries = max(
        effect.tries, min(effect.tries + 1, OUTAGE_TRIES_MAX if result.stops else TRIES_MAX)
    )
    match error:
        case Unauthorized():
            _postpone(effect, error.problem, WAIT_FOR_OPERATOR, now)
        case Bug():
            _postpone(effect, error.problem, WAIT_AFTER_BUG, now)
        case _ if effect.tries >= TRIES_MAX and not result.stops:
            _end(effect, EffectState.REFUSED, error.problem, now)
        case _:
            asked = error.retry_after_s if isinstance(error, Unavailable) else None
            _postpone(effect, error.problem, _wait(effect.tries, asked), now)


def _wait(tries: int, asked_s: float | None) -> timedelta:
    """Return the wait before the next try: doubled each time, with jitter, or as asked for."""
    doubled = min(WAIT_FIRST * (1 << min(tries, 10)), WAIT_MAX)
    jittered = doubled * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
    return max(jittered, timedelta(seconds=asked_s or 0))


def _postpone(effect: Effect, problem: str, wait: timedelta, now: datetime) -> None:
    check("effect", EFFECT, effect.state, EffectState.DUE)
    effect.state, effect.problem, effect.due_at = EffectState.DUE, problem, now + wait


def _due_again(app: App, effect: Effect) -> None:
    """Let what changed during the call be owed once more, save a mail that may have gone out."""
    gone_out = effect.state in {EffectState.DONE, EffectState.UNKNOWN}
    if effect.state is EffectState.DUE or (effect.kind in MAIL_KINDS and gone_out):
        return
    check("effect", EFFECT, effect.state, EffectState.DUE)
    effect.state, effect.due_at, effect.tries = EffectState.DUE, app.now(), 0


def _end(effect: Effect, state: EffectState, problem: str, now: datetime) -> None:
    check("effect", EFFECT, effect.state, state)
    effect.state, effect.problem, effect.settled_at = state, problem, now


def reap(app: App, *, all_claims: bool = False) -> int:
    """Give back what a dead worker had claimed: a mail becomes unknown, the rest is due again.

    `all_claims` is for the start of the only process: whatever is claimed then, nobody holds.
    """
    lost = select(Call).where(col(Call.ended_at).is_(None)).order_by(col(Call.id))
    if not all_claims:
        lost = lost.where(col(Call.lease_until) < app.now())

    def unit(session: Session) -> int:
        calls = session.scalars(lost.with_for_update(skip_locked=True)).all()
        for call in calls:
            call.ended_at, call.problem = app.now(), STOPPED
        return sum(_give_back(app, session, some) for some in chunks([call.id for call in calls]))

    with app.store.read() as session:
        if session.scalars(lost.limit(1)).first() is None:
            return 0
    return app.store.work(unit)


def _give_back(app: App, session: Session, calls: Sequence[str]) -> int:
    held = (
        select(Effect)
        .where(col(Effect.state) == EffectState.CLAIMED, col(Effect.call_id).in_(calls))
        .order_by(col(Effect.id))
        .with_for_update()
    )
    found = session.scalars(held).all()
    for effect in found:
        if effect.kind in MAIL_KINDS:
            _end(effect, EffectState.UNKNOWN, STOPPED, app.now())
        else:
            _postpone(effect, STOPPED, timedelta(), app.now())
    return len(found)


def proven(session: Session, keys: Sequence[str], now: datetime) -> None:
    """Settle unknown mails that must have arrived: somebody has pressed a link in them."""
    effects = table(Effect)
    for some in chunks(keys):
        session.connection().execute(
            update(effects)
            .where(effects.c.key.in_(some), effects.c.state == EffectState.UNKNOWN)
            .values(state=EffectState.DONE, settled_at=now, problem="")
        )


def settle_unknown(
    app: App, session: Session, key: str, state: EffectState, handlers: Handlers
) -> bool:
    """Settle an unknown effect by evidence, or by an operator's word; tell whether it was one.

    `DONE`: it was accepted. `DUE`: it was not, send it. `DROPPED`: let it be.
    """
    query = select(Effect).where(col(Effect.key) == key)
    effect = session.scalars(query).first()
    if effect is None:
        return False
    for model, row_id in ((Survey, effect.survey_id), (Effect, effect.id)):
        session.get_one(model, row_id, with_for_update=True, populate_existing=True)
    if effect.state is not EffectState.UNKNOWN:
        return False
    if state is EffectState.DUE:
        _postpone(effect, "", timedelta(), app.now())
    else:
        _end(effect, state, "", app.now())
    session.add(effect)
    if state is EffectState.DONE and (done := handlers[effect.kind].done) is not None:
        done(app, session, effect)
    return True
