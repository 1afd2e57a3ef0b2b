"""What `npsloop status` counts: each stage, each lane, each job, and what waits for a person."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, literal, select
from sqlmodel import Session, col

from connectors.ports import Rationed
from loop import figures, keep, schedule
from loop.app import App
from loop.follow_up import NOBODY
from loop.models import Answer, Call, Case, Contact, Effect, Survey
from loop.outbox.evidence import waits_for_operator
from loop.states import MAIL, CaseState, EffectState, Kind, Stage

NOBODY_YET: Final = NOBODY.partition(":")[0]


def counted(app: App) -> dict[str, Any]:
    """Return everything, as JSON has it."""
    with app.store.read() as session:
        return {
            "customers": customers(app, session),
            "surveys": surveys(session),
            "figure": figure(session),
            "response": response(session),
            "effects": effects(session),
            "cases": cases(session),
            **doubtful(app, session),
            "without_owner": without_owner(session),
            "jobs": jobs(app, session),
            "workers": workers(app),
            "shut": shut(app),
        }


def workers(app: App) -> int | None:
    """Return how many workers were heard of lately; None where there can be none."""
    if app.store.lite:
        return None
    from loop.engine.shared import at_work  # noqa: PLC0415 - only with PostgreSQL's extra

    return at_work(app.store)


def customers(app: App, session: Session) -> dict[str, int]:
    """Return how many live contacts each CRM has, and how many people they are."""
    live = col(Contact.gone_at).is_(None)
    query = select(col(Contact.crm), func.count()).where(live).group_by(col(Contact.crm))
    found = dict(session.connection().execute(query).all())
    people = select(func.count(func.distinct(col(Contact.customer_id)))).where(live)
    counts = {name: found.get(name, 0) for name in [*app.crms, *sorted(found)]}
    return {**counts, "people": session.connection().scalar(people) or 0}


def surveys(session: Session) -> dict[str, int]:
    """Return how many surveys are at which stage."""
    query = select(col(Survey.stage), func.count()).group_by(col(Survey.stage))
    found = {str(stage): count for stage, count in session.connection().execute(query)}
    return {str(stage): found.get(stage, 0) for stage in Stage}


def figure(session: Session) -> dict[str, Any]:
    """Return the NPS over the newest answer of each person, with its interval."""
    newest = (
        select(
            col(Answer.score),
            func.row_number()
            .over(
                partition_by=col(Answer.customer_id),
                order_by=(col(Answer.answered_at).desc(), col(Answer.survey_id).desc()),
            )
            .label("place"),
        )
    ).subquery()
    query = select(newest.c.score, func.count()).where(newest.c.place == 1).group_by(newest.c.score)
    scores: Counter[int] = Counter(dict(session.connection().execute(query).all()))
    found = asdict(figures.nps(scores.elements()))
    return {key: round(value, 1) for key, value in found.items()}


def response(session: Session) -> dict[str, Any]:
    """Return how many of the questions that went out were answered."""
    asked = col(Survey.asked_at).is_not(None)
    connection = session.connection()
    sent = connection.scalar(select(func.count()).select_from(Survey).where(asked)) or 0
    answers = select(func.count()).select_from(Answer).join(Survey).where(asked)
    answered = connection.scalar(answers) or 0
    return {
        "asked": sent,
        "answered": answered,
        "rate": round(answered / sent, 4) if sent else None,
    }


def effects(session: Session) -> dict[str, dict[str, int]]:
    """Return how many effects of each lane are in which state."""
    query = select(col(Effect.lane), col(Effect.state), func.count()).group_by(
        col(Effect.lane), col(Effect.state)
    )
    lanes: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, EffectState), 0))
    for lane, state, count in session.connection().execute(query.order_by(col(Effect.lane))):
        lanes[lane][str(state)] = count
    return dict(lanes)


def cases(session: Session) -> dict[str, Any]:
    """Return how many cases are in which state, and since when the oldest open one waits."""
    query = select(col(Case.state), func.count()).group_by(col(Case.state))
    found = {str(state): count for state, count in session.connection().execute(query)}
    first = select(col(Case.opened_at)).where(col(Case.state) == CaseState.OPEN)
    oldest: datetime | None = session.connection().scalar(
        first.order_by(col(Case.opened_at)).limit(1)
    )
    counts: dict[str, Any] = {str(state): found.get(state, 0) for state in CaseState}
    return counts | {"oldest_open": oldest.isoformat() if oldest else None}


def doubtful(app: App, session: Session) -> dict[str, int]:
    """Return about how many mails nobody can know, and how many of them wait for the operator."""
    unknown = col(Effect.state) == EffectState.UNKNOWN
    to_settle = _count(session, waits_for_operator(app.now()))
    return {"in_doubt": _count(session, unknown) - to_settle, "to_settle": to_settle}


def shut(app: App) -> dict[str, str]:
    """Return which services allow us no calls for a while, and why."""
    found: dict[str, str] = {}
    for name, caller in {**app.crms, MAIL: app.mailer}.items():
        if isinstance(caller, Rationed) and (problem := caller.shut()) is not None:
            found[name] = problem.problem
    return found


def without_owner(session: Session) -> int:
    """Return how many tasks wait for somebody who can take them."""
    return _count(
        session,
        col(Effect.kind) == Kind.TASK,
        col(Effect.state) == EffectState.REFUSED,
        col(Effect.problem).startswith(NOBODY_YET),
    )


def jobs(app: App, session: Session) -> dict[str, Any]:
    """Return when each job last ran, how it went, and when it is due again."""
    return {each.name: job(each) for each in schedule.standings(app, session)}


def job(each: schedule.Standing) -> dict[str, Any]:
    """Return how a job stands, as JSON has it."""
    last = each.last
    return {
        "what": each.what,
        "plan": each.plan,
        "last_run": last.started_at.isoformat() if last else None,
        "seconds": each.seconds,
        "result": last.result if last else "",
        "problem": last.problem if last else "",
        "running": bool(last and last.ended_at is None),
        "next_run": each.next_run.isoformat() if each.next_run else None,
        "paused_at": each.paused_at.isoformat() if each.paused_at else None,
    }


def _count(session: Session, *where: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(Effect).where(*where)
    return session.connection().scalar(query) or 0


# What must always hold


def invariants(app: App) -> list[dict[str, Any]]:
    """Look whether nothing was lost: return each promise, whether it is kept, and what was found.

    The counts come from two places each: from what was moved, and from what was owed for it.
    """
    with app.store.read() as session:
        return [
            *_every_lane_adds_up(session),
            _every_survey_is_owed_its_question(app, session),
            _what_was_sent_was_asked(session),
            _every_answer_is_written_back(app, session),
            _what_is_claimed_is_held(app, session),
        ]


def _promise(name: str, found: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "passed": not found, "found": list(found)[:10]}


def _every_lane_adds_up(session: Session) -> list[dict[str, Any]]:
    """Hold the rows of each lane against the sum over its states, in one look.

    queued = done + refused + suppressed + expired + dropped + unknown + due + claimed
    """
    states = [func.count().filter(col(Effect.state) == state) for state in EffectState]
    query = select(col(Effect.lane), func.count(), *states).group_by(col(Effect.lane))
    promises = []
    for lane, queued, *counts in session.connection().execute(query.order_by(col(Effect.lane))):
        terms = [f"{n} {state}" for n, state in zip(counts, EffectState, strict=True) if n]
        lost = [] if sum(counts) == queued else [f"{queued - sum(counts)} in no known state"]
        promises.append(_promise(f"{lane}: {queued} queued = {' + '.join(terms)}", lost))
    return promises


def _every_survey_is_owed_its_question(app: App, session: Session) -> dict[str, Any]:
    owed = exists().where(col(Effect.key) == literal(f"{Kind.ASK}:") + col(Survey.id))
    query = select(col(Survey.id)).where(~owed, col(Survey.expires_at) >= keep.over_before(app))
    lacking = session.connection().execute(query.limit(10)).scalars().all()
    return _promise("every survey has its question", [f"survey {one}" for one in lacking])


def _what_was_sent_was_asked(session: Session) -> dict[str, Any]:
    query = (
        select(col(Effect.id))
        .join(Survey, col(Survey.id) == col(Effect.survey_id))
        .where(col(Effect.kind) == Kind.ASK, col(Effect.state) == EffectState.DONE)
        .where(col(Survey.asked_at).is_(None), col(Survey.stage) == Stage.CHOSEN)
    )
    lacking = session.connection().execute(query.limit(10)).scalars().all()
    return _promise("what was sent was asked", [f"effect {one}" for one in lacking])


def _every_answer_is_written_back(app: App, session: Session) -> dict[str, Any]:
    """Find answers of people with a record in a CRM that were never owed to any record."""
    owed = exists().where(
        col(Effect.survey_id) == col(Answer.survey_id), col(Effect.kind) == Kind.HISTORY
    )
    query = (
        select(col(Answer.survey_id))
        .join(Survey, col(Survey.id) == col(Answer.survey_id))
        .join(Contact, col(Contact.id) == col(Survey.contact_id))
        .where(col(Contact.gone_at).is_(None), col(Contact.crm).in_([*app.crms]), ~owed)
        .where(col(Survey.expires_at) >= keep.over_before(app))
    )
    lacking = session.connection().execute(query.limit(10)).scalars().all()
    return _promise("every answer is owed to its record", [f"survey {one}" for one in lacking])


def _what_is_claimed_is_held(app: App, session: Session) -> dict[str, Any]:
    """Find claims that nobody can be at work on: a call that is over, or should be since long."""
    tidied = app.now() - timedelta(seconds=2 * app.config.schedule.tidy_s)
    holds = exists().where(
        col(Call.id) == col(Effect.call_id),
        col(Call.ended_at).is_(None),
        col(Call.lease_until) >= tidied,
    )
    query = select(col(Effect.id)).where(col(Effect.state) == EffectState.CLAIMED, ~holds)
    left = session.connection().execute(query.limit(10)).scalars().all()
    return _promise("what is claimed is held by an open call", [f"effect {one}" for one in left])
