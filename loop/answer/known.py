"""What is known when answers come in: a few columns of each row, since many come at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlmodel import Session

from loop.states import Stage
from loop.store import among


@dataclass(slots=True)
class Question:
    """A survey that somebody answers."""

    answer_hash: str
    id: str
    customer_id: str
    contact_id: str
    account_id: str
    stage: Stage
    asked: bool
    """Their mail is known to have gone out."""
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
    rows = among(session, _QUESTIONS, sorted(set(hashes)), lock=True)
    return {row[0]: _question(*row) for row in rows}


def _question(  # noqa: PLR0913, PLR0917 - the columns of `_QUESTIONS`, in their order
    answer_hash: str,
    survey_id: str,
    customer_id: str,
    contact_id: str,
    account_id: str,
    stage: str,
    asked: object,
    expires_at: str | datetime,
) -> Question:
    return Question(
        answer_hash=answer_hash,
        id=survey_id,
        customer_id=customer_id,
        contact_id=contact_id,
        account_id=account_id,
        stage=Stage(stage),
        asked=bool(asked),
        expires_at=_instant(expires_at),
    )


def said(session: Session, survey_ids: Sequence[str]) -> dict[str, Said]:
    """Return what was answered before, by survey."""
    rows = among(session, _SAID, survey_ids)
    return {row[0]: Said(row[1], row[2], _instant(row[3])) for row in rows}


def records(session: Session, customer_ids: Sequence[str]) -> dict[str, list[Record]]:
    """Return each customer's records that are still there."""
    found: dict[str, list[Record]] = defaultdict(list)
    for row in sorted(map(tuple, among(session, _RECORDS, sorted(set(customer_ids))))):
        found[row[0]].append(Record(*row[1:]))
    return found


def _instant(told: str | datetime) -> datetime:
    """Return a time as the driver tells it: SQLite's in text, without its zone."""
    return datetime.fromisoformat(f"{told}+00:00") if isinstance(told, str) else told


_QUESTIONS: Final = (
    "SELECT answer_hash, id, customer_id, contact_id, account_id, stage,"
    " asked_at IS NOT NULL, expires_at FROM survey WHERE answer_hash IN"
)
_SAID: Final = "SELECT survey_id, score, comment, answered_at FROM answer WHERE survey_id IN"
_RECORDS: Final = (
    "SELECT customer_id, id, crm, account_id FROM contact WHERE gone_at IS NULL AND customer_id IN"
)
