"""Moves a survey, a case or a referral as `states` allows, and writes down who moved what when."""

from datetime import datetime

from sqlmodel import Session

from loop import states
from loop.models import Case, Referral, Step, Survey
from loop.states import CaseState, ReferralState, Stage


def survey(session: Session, moved: Survey, to: Stage, at: datetime, why: str = "") -> None:
    """Move a survey. Raise `OutOfTurn` where it cannot go there."""
    states.owed(Stage(moved.stage), to)
    session.add(Step(survey_id=moved.id, was=moved.stage, to=to, at=at, why=why))
    moved.stage = to
    session.add(moved)


def case(session: Session, moved: Case, to: CaseState, at: datetime) -> None:
    """Move a case. Raise `OutOfTurn` where it cannot go there."""
    states.check("case", states.CASE, moved.state, to)
    _step(session, moved.survey_id, f"case {moved.state}", f"case {to}", at)
    moved.state = to
    moved.closed_at = None if to is CaseState.OPEN else at
    session.add(moved)


def referral(session: Session, moved: Referral, to: ReferralState, at: datetime) -> None:
    """Move a referral. Raise `OutOfTurn` where it cannot go there."""
    states.check("referral", states.REFERRAL, moved.state, to)
    _step(session, moved.survey_id, f"referral {moved.state}", f"referral {to}", at)
    moved.state = to
    session.add(moved)


def _step(session: Session, survey_id: str, was: str, to: str, at: datetime) -> None:
    session.add(Step(survey_id=survey_id, was=was, to=to, at=at))
