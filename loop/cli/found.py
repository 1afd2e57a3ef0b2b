"""Finds effects, and tells of them, for `npsloop effects`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from loop import schedule
from loop.app import App
from loop.cli import people, say
from loop.config import Mendable
from loop.models import Call, Contact, Customer, Effect, MailEvent, Survey
from loop.outbox import evidence
from loop.states import EffectState, Kind

ID_MIN: Final = 6
"""So many characters at the end of an id are enough; they begin with the time."""


class NoSuchEffect(Mendable):
    """There is no effect with this id, or more than one."""


def wanted(
    app: App, session: Session, *, lane: str | None, state: str | None, who: str | None
) -> Select[Any]:
    """Return the query for the effects of a lane, a state and a customer, as far as given."""
    query = select(Effect)
    if lane is not None:
        say.among(lane, _lanes(app, session), "lane")
        query = query.where(col(Effect.lane) == lane)
    if state is not None:
        say.among(state, [str(one) for one in EffectState], "state")
        query = query.where(col(Effect.state) == EffectState(state))
    if who is not None:
        customer = people.find(app, session, who)
        surveys = select(col(Survey.id)).where(col(Survey.customer_id) == customer.id)
        mine = session.scalars(surveys).all()
        # a score is a record's; all else that is owed for a record is a survey's
        scores = [f"{Kind.SCORE}:{record.id}" for record in people.contacts(session, customer)]
        query = query.where(col(Effect.survey_id).in_(mine) | col(Effect.key).in_(scores))
    return query


def _lanes(app: App, session: Session) -> list[str]:
    """Return the lanes there are: those of the configuration, and those with effects."""
    left = session.connection().execute(select(col(Effect.lane)).distinct()).scalars()
    return sorted({*schedule.lanes(app), *left})


def newest(session: Session, query: Select[Any], limit: int) -> tuple[int, Sequence[Effect]]:
    """Return how many effects a query finds, and the newest of them."""
    total = session.connection().scalar(select(func.count()).select_from(query.subquery()))
    ordered = query.order_by(col(Effect.created_at).desc(), col(Effect.id))
    return total or 0, session.scalars(ordered.limit(limit)).all()


def by_ids(session: Session, ids: Sequence[str]) -> list[Effect]:
    """Return the effects with these ids, or whose ids end so. Raise `NoSuchEffect`."""
    return [_by_id(session, one.strip().lower()) for one in dict.fromkeys(ids)]


def _by_id(session: Session, ending: str) -> Effect:
    found = session.get(Effect, ending)
    if found is not None:
        return found
    if len(ending) < ID_MIN:
        raise NoSuchEffect(f"{ending}: give at least {ID_MIN} characters of an id")
    query = select(Effect).where(col(Effect.id).endswith(ending, autoescape=True)).limit(2)
    several = session.scalars(query).all()
    if len(several) != 1:
        problem = "more than one effect ends so" if several else "there is no such effect"
        raise NoSuchEffect(f"{ending}: {problem}: npsloop effects list shows them")
    return several[0]


def row(effect: Effect, now: datetime) -> dict[str, Any]:
    """Return an effect as JSON has it; it names nobody."""
    waits_for = ""
    if effect.state is EffectState.UNKNOWN:
        waits_for = "evidence" if evidence.may_come(effect, now) else "operator"
    return {
        "id": effect.id,
        "kind": str(effect.kind),
        "lane": effect.lane,
        "state": str(effect.state),
        "waits_for": waits_for,
        "tries": effect.tries,
        "due_at": effect.due_at.isoformat(),
        "created_at": effect.created_at.isoformat(),
        "settled_at": effect.settled_at.isoformat() if effect.settled_at else None,
        "remote_id": effect.remote_id,
        "problem": effect.problem,
    }


def _call(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "worker": call.worker,
        "effects": call.size,
        "started_at": call.started_at.isoformat(),
        "ended_at": call.ended_at.isoformat() if call.ended_at else None,
        "problem": call.problem,
    }


def more(session: Session, effect: Effect) -> dict[str, Any]:
    """Return whom an effect is for, its newest call, and what the mail provider told about it."""
    survey = session.get(Survey, effect.survey_id) if effect.survey_id else None
    contact_id = effect.contact_id or (survey.contact_id if survey else "")
    contact = session.get(Contact, contact_id) if contact_id else None
    customer_id = survey.customer_id if survey else contact.customer_id if contact else ""
    customer = session.get(Customer, customer_id) if customer_id else None
    events = session.scalars(
        select(MailEvent).where(col(MailEvent.effect_key) == effect.key).order_by(col(MailEvent.at))
    )
    call = session.get(Call, effect.call_id) if effect.call_id else None
    return {
        "key": effect.key,
        "customer": {
            "id": customer_id,
            "name": contact.name if contact else "",
            "email": (customer.email if customer else None) or "",
            "record": contact_id,
        },
        "survey": effect.survey_id or "",
        "call": _call(call) if call else None,
        "mail_events": [f"{event.at:%Y-%m-%d %H:%M} {event.kind}" for event in events],
    }
