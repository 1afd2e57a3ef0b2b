"""Keeps answers: each with its revision, its move, and all that it owes, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import Dialect, bindparam, func, update
from sqlmodel import Session

from loop import moves, states
from loop.answer.known import Question, Said, questions, said
from loop.answer.look import answerable, open_until
from loop.answer.owes import After, owes
from loop.answer.stop import says_stop
from loop.app import App, hash_of
from loop.columns import Instant, new_id
from loop.correspondence import addresses
from loop.models import Answer, Revision, Step, Survey
from loop.outbox import owe, proven
from loop.states import Group, Kind, Stage
from loop.store import Many, add, at_hand, table, upsert
from loop.suppression import Why, suppress

COMMENT_MAX: Final = 5000
Field = Literal["score", "comment"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What somebody sent from a survey's page (or another way)."""

    token: str
    score: int | None
    comment: str = ""
    way: str = "page"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """It is kept, for good once the transaction is."""

    survey_id: str
    group: Group | None
    stopped: bool = False
    """They asked to be left alone."""


@dataclass(frozen=True)
class Gone:
    """The link is unknown, over or withdrawn."""


@dataclass(frozen=True)
class Invalid:
    """It cannot be kept as it is: the score or the comment is wrong."""

    field: Field


@dataclass
class _Batch:
    """What is to be written."""

    now: datetime
    answers: dict[str, Said]
    """By survey; what is known, and what this batch makes of it."""
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    after: dict[str, After] = field(default_factory=dict)
    stopped: list[Question] = field(default_factory=list)
    left: list[Question] = field(default_factory=list)
    """Surveys that were answered with a STOP and no score."""
    unproven: list[str] = field(default_factory=list)
    """Surveys whose mail nobody knew had arrived."""


def keep(app: App, session: Session, given: Sequence[Given]) -> list[Taken | Gone | Invalid]:
    """Keep the answers, in their order. The same answer twice is the same as once."""
    hashes = [hash_of(one.token) for one in given]
    asked = questions(session, hashes)
    again = [survey.id for survey in asked.values() if survey.stage not in states.OPEN]
    batch = _Batch(app.now(), said(session, again))
    results = [
        _take(app, batch, asked.get(hashed), one) for hashed, one in zip(hashes, given, strict=True)
    ]
    if batch.stopped:
        surveys = at_hand(session, Survey, (one.id for one in batch.stopped))
        people = [survey.customer_id for survey in surveys]
        suppress(session, people, Why.STOP, batch.now, addresses(app, surveys))
    for left in batch.left:
        if left.stage in states.OPEN:
            survey = session.get_one(Survey, left.id)
            moves.survey(session, survey, Stage.UNSUBSCRIBED, batch.now, Why.STOP)
    upsert(
        session,
        Answer,
        list(batch.changed.values()),
        key=("survey_id",),
        update=("score", "comment", "way", "changed_at"),
    )
    add(session, Revision, batch.revisions)
    add(session, Step, batch.steps)
    _move(session, batch)
    owe(session, owes(app, session, list(batch.after.values()), batch.now), batch.now)
    return results


def _take(app: App, batch: _Batch, survey: Question | None, given: Given) -> Taken | Gone | Invalid:
    if survey is None:
        return Gone()
    before = batch.answers.get(survey.id)
    until = open_until(app, survey.expires_at, before.answered_at if before else None)
    if not answerable(survey.stage, until, batch.now):
        return Gone()
    comment, stopped = _clean(given.comment), says_stop(given.comment)
    if len(comment) > COMMENT_MAX:
        return Invalid("comment")
    if stopped:
        batch.stopped.append(survey)
    if given.score is None or not 0 <= given.score <= 10:  # noqa: PLR2004 - the scale
        if not stopped:
            return Invalid("score")
        batch.left.append(survey)  # a lone STOP needs no score
        return Taken(survey_id=survey.id, group=None, stopped=True)
    group = Group.of(given.score)
    if before is None or (before.score, before.comment) != (given.score, comment):
        kinds = states.owed(survey.stage, Stage.ANSWERED, group)
        after = After(survey, group, kinds, first=before is None, stop=stopped)
        batch.after[survey.id] = after
        answered_at = before.answered_at if before else batch.now
        _write(batch, survey, Said(given.score, comment, answered_at), given.way)
    return Taken(survey_id=survey.id, group=group, stopped=stopped)


def _write(batch: _Batch, survey: Question, answer: Said, way: str) -> None:
    batch.answers[survey.id] = answer
    batch.changed[survey.id] = {
        "survey_id": survey.id,
        "customer_id": survey.customer_id,
        "score": answer.score,
        "comment": answer.comment,
        "way": way,
        "answered_at": answer.answered_at,
        "changed_at": batch.now,
    }
    revision = {"id": new_id(), "survey_id": survey.id, "score": answer.score}
    revision |= {"comment": answer.comment, "way": way, "at": batch.now}
    batch.revisions.append(revision)
    step = {"id": new_id(), "survey_id": survey.id, "was": survey.stage, "to": Stage.ANSWERED}
    batch.steps.append(step | {"at": batch.now, "why": f"score {answer.score}"})
    if not survey.asked:
        batch.unproven.append(survey.id)
    survey.stage = Stage.ANSWERED


def _move(session: Session, batch: _Batch) -> None:
    if batch.changed:
        rows = [{"survey_id": survey_id, "now": batch.now} for survey_id in batch.changed]
        _answered(session.get_bind().dialect).run(session, rows)
    keys = [f"{Kind.ASK}:{survey_id}" for survey_id in batch.unproven]
    proven(session, keys, batch.now)


@lru_cache
def _answered(dialect: Dialect) -> Many:
    surveys, now = table(Survey), bindparam("now", type_=Instant())
    statement = (
        update(surveys)
        .where(surveys.c.id == bindparam("survey_id"))
        .values(
            stage=Stage.ANSWERED,
            asked_at=func.coalesce(surveys.c.asked_at, now),
        )
    )
    return Many(dialect, statement, ("survey_id", "now"))


def _clean(comment: str) -> str:
    """Return the words as they were written, less what no database keeps."""
    words = comment.replace("\r\n", "\n").replace("\x00", "\ufffd").strip()
    return words.encode("utf-8", "replace").decode()
