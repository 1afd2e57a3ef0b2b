"""Stage 8, answered -> closed: it has been dealt with."""

from collections import Counter, defaultdict
from typing import Final

from sqlalchemy import Select, exists, select
from sqlmodel import col

from connectors.ports import Crm, TaskState
from loop import moves
from loop.app import App
from loop.models import Case, Effect, Survey
from loop.states import UNSETTLED, CaseState, Stage
from loop.store import at_hand

LOOK_UP: Final = 200
CLOSE: Final = 500


def finished(app: App) -> Counter[str]:
    """Look up the tasks of open cases in the CRM, and close the surveys that owe nothing more.

    Return how many cases ended how, and how many surveys were `closed`.
    """
    counts: Counter[str] = Counter()
    for name, case_ids in _open_cases(app).items():
        crm = app.crms.get(name)
        for start in range(0, len(case_ids) if crm else 0, LOOK_UP):
            if crm is not None:
                counts += _look_up(app, crm, case_ids[start : start + LOOK_UP])
    while closed := _close(app):
        counts["closed"] += closed
    return counts


def _open_cases(app: App) -> dict[str, list[tuple[str, str]]]:
    """Return the tasks of open cases, by CRM, with their cases."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with app.store.read() as session:
        query = select(col(Case.task_crm), col(Case.task_id), col(Case.survey_id)).where(
            col(Case.state) == CaseState.OPEN, col(Case.task_id) != ""
        )
        for crm, task_id, survey_id in session.connection().execute(query):
            found[crm].append((task_id, survey_id))
    return found


def _look_up(app: App, crm: Crm, tasks: list[tuple[str, str]]) -> Counter[str]:
    states = crm.task_states([task_id for task_id, _ in tasks])
    ended = {
        survey_id: (to, state.finished_at or app.now())
        for state, (_, survey_id) in zip(states, tasks, strict=True)
        if (to := _ended(state)) is not None
    }
    counts: Counter[str] = Counter()
    with app.store.write() as session:
        surveys = at_hand(session, Survey, ended, lock=True)
        for case in at_hand(session, Case, ended, lock=True):
            if case.state is CaseState.OPEN:
                to, at = ended[case.survey_id]
                moves.case(session, case, to, at)
                counts[to] += 1
        del surveys
    return counts


def _ended(state: TaskState) -> CaseState | None:
    if state.finished_at is not None:
        return CaseState.RESOLVED
    return CaseState.DISMISSED if state.gone else None


def _close(app: App) -> int:
    """Close some surveys that owe nothing more and whose case, if any, is over."""
    with app.store.write() as session:
        ids = [survey.id for survey in session.scalars(_closable().limit(CLOSE))]
        held = at_hand(session, Survey, ids, lock=True)
        # looked at again: an answer that came meanwhile owes something
        found = session.scalars(_closable().where(col(Survey.id).in_(ids))).all()
        for survey in found:
            moves.survey(session, survey, Stage.CLOSED, app.now())
        del held
    return len(found)


def _closable() -> Select[Survey]:
    owes = exists().where(col(Effect.survey_id) == col(Survey.id), col(Effect.state).in_(UNSETTLED))
    waits = exists().where(col(Case.survey_id) == col(Survey.id), col(Case.state) == CaseState.OPEN)
    return (
        select(Survey)
        .where(col(Survey.stage) == Stage.ANSWERED, ~owes, ~waits)
        .order_by(col(Survey.chosen_at))  # as the index has them
    )
