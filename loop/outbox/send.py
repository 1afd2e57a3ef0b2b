"""Calls the service for a batch: an outcome for each effect, whatever becomes of the call."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from connectors.errors import ConnectorError, Doubtful, Refused, Unavailable
from connectors.ports import Outcome
from loop.app import App
from loop.models import Effect
from loop.outbox.lanes import service
from loop.outbox.record import Bug, Result
from loop.states import MAIL, Kind

if TYPE_CHECKING:
    from loop.outbox.deliver import Handler

Request = tuple[Effect, Any]
ALONE_MAX: Final = 2
"""So many stood alone and were refused, and none has gone: then it is not the items."""
log: Final = logging.getLogger(__name__)


def send(
    app: App, lane: str, requests: Sequence[Request], handlers: Mapping[Kind, "Handler"]
) -> list[Result]:
    """Call the service for these requests, and where it refuses them as a whole for each half.

    So a bad item stands alone in the end, and the others go through. Where it is not the items
    that are bad but all of our calls, this is found out by a few calls, and the rest waits.
    """
    results: list[Result] = []
    parts = [requests] if requests else []
    while parts:
        part = parts.pop()
        told = _call(app, lane, part, handlers)
        if not isinstance(told, ConnectorError):
            results += _each(part, told)
        elif not _by_an_item(lane, told) or _hopeless(results):
            left = [request for other in reversed(parts) for request in other]
            log.warning("lane %s stopped: %s", lane, told)
            return [*results, *_stopped(part, told), *_stopped(left, _untried(told))]
        elif len(part) > 1:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
        else:
            results.append(Result(part[0][0], Outcome(error=told)))
    return results


def _call(
    app: App, lane: str, part: Sequence[Request], handlers: Mapping[Kind, "Handler"]
) -> Sequence[Outcome] | ConnectorError:
    """Make one call; return an outcome for each request, or why it failed as a whole."""
    try:
        outcomes = _carried(app, lane, part, handlers)
    except ConnectorError as error:
        return error
    except Exception as error:
        log.exception("lane %s met a bug of ours", lane)
        return Bug(lane, f"{type(error).__name__}; see the log")
    if len(outcomes) != len(part):
        log.error("lane %s told %d outcomes of %d effects", lane, len(outcomes), len(part))
        return Bug(lane, "it told of other effects than we sent; see the log")
    return outcomes


def _carried(
    app: App, lane: str, part: Sequence[Request], handlers: Mapping[Kind, "Handler"]
) -> Sequence[Outcome]:
    if service(lane) == MAIL:
        return app.mailer.send([request for _, request in part])
    kind = part[0][0].kind
    carry = handlers[kind].send
    if carry is None:
        message = f"nothing sends a {kind} to a CRM"
        raise TypeError(message)
    return carry(app.crms[service(lane)], [request for _, request in part])


def _each(part: Sequence[Request], outcomes: Sequence[Outcome]) -> list[Result]:
    """Pair effects and outcomes; where several were told the same, that it is down, it is."""
    down = len(part) > 1 and all(isinstance(one.error, Unavailable) for one in outcomes)
    pairs = zip(part, outcomes, strict=True)
    return [Result(effect, outcome, stops=down) for (effect, _), outcome in pairs]


def _by_an_item(lane: str, error: ConnectorError) -> bool:
    """Tell whether one item may have brought the call down. A mail is never tried again for it."""
    return isinstance(error, Refused) or (isinstance(error, Bug) and service(lane) != MAIL)


def _hopeless(results: Sequence[Result]) -> bool:
    return len(results) >= ALONE_MAX and all(result.outcome.error for result in results)


def _stopped(part: Sequence[Request], error: ConnectorError) -> list[Result]:
    """Return what becomes of a call that failed as a whole."""
    if isinstance(error, Refused):  # not by the items: no reason to give up on them
        error = Unavailable(error.service, error.problem)
    return [Result(effect, Outcome(error=error), stops=True, called=True) for effect, _ in part]


def _untried(error: ConnectorError) -> ConnectorError:
    """Return what becomes of the requests that were not sent any more."""
    return Unavailable(error.service, error.problem) if isinstance(error, Doubtful) else error
