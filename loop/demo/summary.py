"""What a demo came to: our figures from our database, those of others from their servers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Select, exists, func, select
from sqlmodel import Session, col

from loop import figures
from loop.choose import Reason
from loop.demo.worlds import World
from loop.models import Answer, Contact, Effect, Ledger, Referral, Survey
from loop.states import EffectState, Group, Kind, ReferralState, Stage

COMPLETED: Final = "COMPLETED"
OTHER_ENDS: Final = (
    Stage.UNSUBSCRIBED,
    Stage.BOUNCED,
    Stage.LAPSED,
    Stage.REFUSED,
)
INVITED: Final = (ReferralState.INVITED, ReferralState.VISITED, ReferralState.JOINED)
VISITED: Final = (ReferralState.VISITED, ReferralState.JOINED)


def result(world: World, refused: Mapping[str, int]) -> dict[str, Any]:
    """Return the result of a demo, as it is printed for machines."""
    with world.app.store.read() as session:
        scores = session.scalars(select(col(Answer.score))).all()
        return {
            "customers": _customers(session, world),
            "held": _held(session),
            "surveys": _surveys(session),
            "answers": _answers(scores),
            "answers_refused": dict(sorted(refused.items())),
            "nps": _nps(scores),
            "mail": world.mail.state.counts(),
            "crm": {"salesforce": _salesforce(world), "hubspot": _hubspot(world)},
            "referrals": _referrals(session),
            "effects": _effects(session),
        }


def _customers(session: Session, world: World) -> dict[str, int]:
    """Return the live records by CRM, and how many people they are."""
    live = col(Contact.gone_at).is_(None)
    found = _counted(session, select(col(Contact.crm), func.count()).where(live), Contact.crm)
    people = select(func.count(func.distinct(col(Contact.customer_id)))).where(live)
    return {
        **{crm: found.get(crm, 0) for crm in world.app.crms},
        "people": session.scalar(people) or 0,
    }


def _held(session: Session) -> dict[str, int]:
    """Return why people were never asked: the newest reason, a relationship's before an event's."""
    asked = exists().where(col(Survey.customer_id) == col(Ledger.customer_id))
    rows = session.connection().execute(
        select(col(Ledger.customer_id), col(Ledger.reason))
        .where(~asked, col(Ledger.reason) != Reason.CHOSEN)
        .order_by(col(Ledger.program).desc())
    )
    reasons = {customer_id: str(reason) for customer_id, reason in rows}
    return dict(sorted(Counter(reasons.values()).items()))


def _surveys(session: Session) -> dict[str, int]:
    stages = _counted(session, select(col(Survey.stage), func.count()), Survey.stage)
    asked = select(func.count()).where(col(Survey.asked_at).is_not(None))
    answered = select(func.count()).select_from(Answer)
    return {
        "chosen": sum(stages.values()),
        "asked": session.scalar(asked) or 0,
        "answered": session.scalar(answered) or 0,
        "closed": stages.get(Stage.CLOSED, 0),
        **{str(stage): stages.get(stage, 0) for stage in OTHER_ENDS},
    }


def _answers(scores: Any) -> dict[str, int]:  # noqa: ANN401 - numbers
    groups = Counter(Group.of(score) for score in scores)
    return {str(group): groups[group] for group in Group}


def _nps(scores: Any) -> dict[str, float | int]:  # noqa: ANN401 - numbers
    figure = figures.nps(scores)
    return {
        "score": round(figure.score, 1),
        "low": round(figure.low, 1),
        "high": round(figure.high, 1),
        "n": figure.n,
    }


def _salesforce(world: World) -> dict[str, int]:
    state = world.salesforce.state
    tasks = state.all("Task")
    return {
        "scores": sum(row["NPS_Score__c"] is not None for row in state.all("Contact")),
        "tasks": len(tasks),
        "tasks_done": sum(row["IsClosed"] for row in tasks),
        "leads": len(state.all("Lead")),
    }


def _hubspot(world: World) -> dict[str, int]:
    state = world.hubspot.state
    contacts = [record.properties for record in state.all("contacts")]
    tasks = [record.properties for record in state.all("tasks")]
    return {
        "scores": sum(bool(contact.get("nps_score")) for contact in contacts),
        "tasks": len(tasks),
        "tasks_done": sum(task.get("hs_task_status") == COMPLETED for task in tasks),
        "leads": sum(bool(contact.get("nps_key")) for contact in contacts),
    }


def _referrals(session: Session) -> dict[str, int]:
    states = _counted(session, select(col(Referral.state), func.count()), Referral.state)
    leads = select(func.count()).where(
        col(Effect.kind) == Kind.LEAD, col(Effect.state) == EffectState.DONE
    )
    return {
        "invited": sum(states.get(state, 0) for state in INVITED),
        "visited": sum(states.get(state, 0) for state in VISITED),
        "leads": session.scalar(leads) or 0,
    }


def _effects(session: Session) -> dict[str, int]:
    states = _counted(session, select(col(Effect.state), func.count()), Effect.state)
    return {
        str(state): states.get(state, 0) for state in EffectState if state != EffectState.CLAIMED
    }


def _counted(session: Session, query: Select[*tuple[Any, ...]], by: Any) -> dict[Any, int]:  # noqa: ANN401 - a column
    return {row[0]: row[1] for row in session.connection().execute(query.group_by(col(by)))}
