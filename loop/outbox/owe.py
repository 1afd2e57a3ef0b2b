"""Writing down what is owed, in the transaction of the move that owes it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Dialect, case, literal_column
from sqlmodel import Session

from loop.columns import new_id
from loop.models import Effect
from loop.states import MAIL, MAIL_KINDS, EffectState, Kind, lane
from loop.store import Many, insert_for, table


class Owed(NamedTuple):
    """One effect to be written down. Its key says what it is: owed twice, it is still one."""

    kind: Kind
    about: str
    """Id of the row it is about, the last part of its key."""
    due_at: datetime
    crm: str = ""
    survey_id: str | None = None
    contact_id: str | None = None
    account_id: str | None = None
    signup_id: str | None = None

    @property
    def service(self) -> str:
        """Return who is to be called: the mailer, or a CRM by name."""
        return MAIL if self.kind in MAIL_KINDS else self.crm

    @property
    def key(self) -> str:
        """Return the key that stays the same, however often this comes to be owed."""
        return f"{self.kind}:{self.about}"


def owe(session: Session, effects: Iterable[Owed], now: datetime) -> None:
    """Write down what is owed.

    What is owed already becomes due again, with a new version; a mail that was handed over, or
    may have been, is never owed a second time.
    """
    rows = [_row(effect, now) for effect in effects]
    if rows:
        _owing(session.get_bind().dialect, tuple(rows[0])).run(session, rows)


@lru_cache(maxsize=64)
def _owing(dialect: Dialect, names: Sequence[str]) -> Many:
    nothing, zero = _said(""), _said(0)
    fresh = {"state": _said(EffectState.DUE), "remote_id": nothing, "problem": nothing}
    statement = insert_for(dialect, Effect).values(fresh | {"tries": zero, "version": zero})
    effects = table(Effect)
    was, due = effects.c.state, _said(EffectState.DUE)
    mail = effects.c.lane == _said(lane(MAIL, Kind.ASK))
    sent = (was == _said(EffectState.DONE)) | (was == _said(EffectState.UNKNOWN))
    stays = (was == _said(EffectState.CLAIMED)) | (mail & sent)
    again = {
        "state": case((stays, was), else_=due),
        "version": effects.c.version + _said(1),
        "due_at": statement.excluded.due_at,
        "tries": zero,
        "problem": case((stays | (was == due), effects.c.problem), else_=nothing),
    }
    return Many(dialect, statement.on_conflict_do_update(index_elements=["key"], set_=again), names)


def _said(value: str | int) -> ColumnElement[Any]:
    """Return a word or number as it stands in the statement: bound, each row brings it along."""
    return literal_column(str(value) if isinstance(value, int) else f"'{value}'")


def _row(effect: Owed, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "key": effect.key,
        "kind": effect.kind,
        "lane": lane(effect.service, effect.kind),
        "survey_id": effect.survey_id,
        "contact_id": effect.contact_id,
        "account_id": effect.account_id,
        "signup_id": effect.signup_id,
        "due_at": effect.due_at,
        "created_at": now,
    }
