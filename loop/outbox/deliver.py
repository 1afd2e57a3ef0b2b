"""Drains a lane: batches are the unit of a call, single effects the unit of an outcome."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session, SQLModel

from connectors.errors import ConnectorError
from connectors.ports import Crm, Outcome, Rationed
from loop.app import App
from loop.models import Account, Answer, Contact, Effect, Owner, Survey
from loop.outbox.claim import Claimed, claim
from loop.outbox.lanes import carrier
from loop.outbox.lease import keeping
from loop.outbox.record import Bug, Result, reap, record
from loop.outbox.send import send
from loop.states import EffectState, Kind
from loop.store import PASSING, at_hand

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Skip:
    """Nothing is to be sent after all: the effect ends in this state, with a word on it."""

    state: EffectState
    why: str = ""


def around(session: Session, batch: Sequence[Effect]) -> list[SQLModel]:
    """Load what requests are made from, together: the survey, its answer, the record's row."""
    surveys = at_hand(session, Survey, (effect.survey_id for effect in batch))
    answers = at_hand(session, Answer, (effect.survey_id for effect in batch))
    wanted = {effect.contact_id for effect in batch} | {survey.contact_id for survey in surveys}
    contacts = at_hand(session, Contact, wanted)
    owners = at_hand(session, Owner, (contact.owner_id for contact in contacts))
    accounts = at_hand(session, Account, (effect.account_id for effect in batch))
    return [*surveys, *answers, *contacts, *owners, *accounts]


@dataclass(frozen=True, kw_only=True)
class Handler:
    """How one kind of effect is delivered.

    `request` reads what is true now and returns what to send, or `Skip`. `send` calls the
    service for a whole batch. `done` moves on whoever waited for it, in the transaction that
    records the outcome; `refused` does the same where the service will never take it.
    """

    request: Callable[[App, Session, Effect], Any]
    send: Callable[[Crm, Sequence[Any]], Sequence[Outcome]] | None = None
    """How a CRM is called; None for mail."""
    load: Callable[[Session, Sequence[Effect]], object] = around
    """Loads for a whole batch, in a few statements, what `request` then finds in the session."""
    done: Callable[[App, Session, Effect], None] | None = None
    refused: Callable[[App, Session, Effect, ConnectorError], EffectState | None] | None = None
    """May return the state to end in instead, such as due again in another way."""


Handlers = Mapping[Kind, Handler]


@dataclass(frozen=True)
class Batch:
    """A batch was delivered."""

    settled: int
    stopped: ConnectorError | None = None
    """Why the lane stops here: the call failed as a whole."""
    full: bool = False
    """There may be more to do."""


def drain(app: App, lane: str, handlers: Handlers) -> int:
    """Deliver what is due in a lane, batch after batch; return how many effects were settled.

    Several batches go out at once where there is more than one and the service allows it. Stops
    where the service as a whole does not answer, and leaves the rest due.
    """
    reap(app)
    own = batches(app, lane, handlers)
    first = next(own, None)
    if first is None:
        return 0
    more = first.full and first.stopped is None
    others = carries.at_once - 1 if more and (carries := carrier(app, lane)) else 0
    with ThreadPoolExecutor(others or 1, lane) as pool:
        helped = [pool.submit(_settled, batches(app, lane, handlers)) for _ in range(others)]
        settled = first.settled + _settled(own)
    return settled + sum(each.result() for each in helped)


def _settled(delivered: Iterator[Batch]) -> int:
    return sum(batch.settled for batch in delivered)


def batches(
    app: App,
    lane: str,
    handlers: Handlers,
    *,
    only: Kind | None = None,
    at_most: int | None = None,
) -> Iterator[Batch]:
    """Deliver what is due in a lane, a batch after the other, and tell of each.

    `only` leaves other kinds where they are; `at_most` is how many effects are claimed in all.
    """
    carries = carrier(app, lane)
    left = sys.maxsize if at_most is None else at_most
    if (shut := _shut(carries)) is not None:
        log.info("lane %s waits: %s", lane, shut)
        yield Batch(0, shut)
        return
    while carries is not None and left > 0 and not app.stopping.is_set():
        claimed = claim(app, lane, min(carries.batch, left), only)
        if claimed is None:
            return
        results = hand_over(app, claimed, handlers)
        record(app, claimed.call, results, handlers)
        left -= len(results)
        stopped = next((result.outcome.error for result in results if result.stops), None)
        yield Batch(len(results), stopped, full=len(results) == carries.batch)
        if stopped is not None:
            return


def _shut(caller: object) -> ConnectorError | None:
    """Return why nothing goes out for a good while: then nothing is claimed either."""
    try:
        return caller.shut() if isinstance(caller, Rationed) else None
    except ConnectorError as error:
        return error


def hand_over(app: App, claimed: Claimed, handlers: Handlers) -> list[Result]:
    """Call the service for a batch; return how it ended for each effect, of which none is kept."""
    with keeping(app, claimed.call):
        # nothing has left yet: this may be done again and again
        requests, results = app.store.look(
            lambda session: _requests(app, session, claimed.effects, handlers)
        )
        return results + send(app, claimed.call.lane, requests, handlers)


def _requests(
    app: App, session: Session, batch: Sequence[Effect], handlers: Handlers
) -> tuple[list[tuple[Effect, Any]], list[Result]]:
    """Return what to send for each effect, and those that are settled without a call."""
    requests: list[tuple[Effect, Any]] = []
    results: list[Result] = []
    loads = {handlers[effect.kind].load for effect in batch}
    held = [load(session, batch) for load in loads]
    for effect in batch:
        try:
            request = handlers[effect.kind].request(app, session, effect)
        except ConnectorError as error:
            results.append(Result(effect, Outcome(error=error)))
        except PASSING:
            raise
        except Exception as error:
            log.exception("effect %s met a bug of ours", effect.id)
            bug = Bug(effect.kind, f"{type(error).__name__}; see the log")
            results.append(Result(effect, Outcome(error=bug)))
        else:
            if isinstance(request, Skip):
                results.append(Result(effect, Outcome(), skip=(request.state, request.why)))
            else:
                requests.append((effect, request))
    del held
    return requests, results
