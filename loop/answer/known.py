"""What is known when answers come in: a few columns of each row, since many come at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlmodel import Session

from loop.models import Answer, Survey
from loop.states import Stage
from loop.store import among, chunks, table


@dataclass(slots=True)
class Question:
    """A survey that somebody answers."""

    answer_hash: str
    id: str
    customer_id: str
    contact_id: str
    account_id: str
    stage: Stage
    asked_at: datetime | None
    expires_at: datetime


class Said(NamedTuple):
    """What somebody answered before."""

    score: int
    comment: str
    answered_at: datetime
    """When they first answered."""


class Record(NamedTuple):
    """A customer's record in one CRM."""

    id: str
    crm: str
    account_id: str


def questions(session: Session, hashes: Sequence[str]) -> dict[str, Question]:
    """Return the surveys behind links, by the hash of the link's token; nobody else moves them."""
    rows = _rows(session, _QUESTIONS, sorted(set(hashes)))
    return {row[0]: Question(*row) for row in rows}


def said(session: Session, survey_ids: Sequence[str]) -> dict[str, Said]:
    """Return what was answered before, by survey."""
    return {row[0]: Said(*row[1:]) for row in _rows(session, _SAID, survey_ids)}


def records(session: Session, customer_ids: Sequence[str]) -> dict[str, list[Record]]:
    """Return each customer's records that are still there."""
    found: dict[str, list[Record]] = defaultdict(list)
    for row in sorted(map(tuple, among(session, _RECORDS, sorted(set(customer_ids))))):
        found[row[0]].append(Record(*row[1:]))
    return found


def _rows(session: Session, query: Select[Any], ids: Sequence[str]) -> list[Any]:
    connection = session.connection()
    return [row for some in chunks(ids) for row in connection.execute(query, {"ids": some}).all()]


_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_SURVEY: Final = table(Survey).c
_ANSWER: Final = table(Answer).c

_QUESTIONS: Final = (
    select(*(_SURVEY[name] for name in Question.__slots__))
    .where(_SURVEY.answer_hash.in_(_IDS))
    .order_by(_SURVEY.id)
    .with_for_update()
)
_SAID: Final = select(_ANSWER.survey_id, *(_ANSWER[name] for name in Said._fields)).where(
    _ANSWER.survey_id.in_(_IDS)
)
_RECORDS: Final = (
    "SELECT customer_id, id, crm, account_id FROM contact WHERE gone_at IS NULL AND customer_id IN"
)
