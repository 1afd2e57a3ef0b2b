"""What a survey's page shows; looking changes nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from loop.app import App, hash_of
from loop.models import Answer, Survey
from loop.states import ANSWERABLE, Stage


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A survey that can be answered, or whose answer can still be changed."""

    survey: Survey
    answer: Answer | None
    until: datetime
    """When the link stops working."""


def look(app: App, session: Session, token: str) -> Asked | None:
    """Return the survey behind a link; None where it is unknown, over or withdrawn."""
    query = select(Survey).where(col(Survey.answer_hash) == hash_of(token))
    survey = session.scalars(query).first()
    if survey is None:
        return None
    answer = session.get(Answer, survey.id)
    until = open_until(app, survey.expires_at, answer.answered_at if answer else None)
    if not answerable(survey.stage, until, app.now()):
        return None
    return Asked(survey=survey, answer=answer, until=until)


def open_until(app: App, expires_at: datetime, answered_at: datetime | None) -> datetime:
    """Return when an answer can be given or changed for the last time."""
    if answered_at is None:
        return expires_at
    return answered_at + timedelta(days=app.config.ask.change_days)


def answerable(stage: Stage, until: datetime, now: datetime) -> bool:
    """Tell whether a survey takes an answer now."""
    return stage in ANSWERABLE and now < until
