"""Lets go of what happened long ago, a little at a time, and of nothing that is still gone by.

Surveys, answers and every revision of them, cases, referrals and suppressions stay for ever.
Ids begin with the time, so the oldest rows are the first by their keys: in each short
transaction some are looked at, and with the first that is young enough it is done.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any, Final

from sqlalchemy import Row, delete, exists, select
from sqlalchemy.orm import Mapped
from sqlmodel import Session, SQLModel, col

from loop.app import App
from loop.models import Call, Effect, MailEvent, Step, Survey, Visit, Watermark
from loop.states import EffectState, Kind, Stage
from loop.store import chunks, table, upsert

CHUNK: Final = 1000
"""Rows looked at in one transaction: it takes some milliseconds, so that nobody waits."""
MARGIN: Final = timedelta(days=30)
"""How long after the last moment for an answer its effects stay, at the least."""
FOR_GOOD: Final = frozenset({Kind.SCORE, Kind.ROLL_UP})
"""One for each record, and owed again and again."""
OVER: Final = frozenset(
    {EffectState.DONE, EffectState.SUPPRESSED, EffectState.EXPIRED, EffectState.DROPPED}
)
UNDER_WAY: Final = frozenset({Stage.CHOSEN, Stage.ASKED, Stage.ANSWERED})
PLACE: Final = {"crm": "", "records": "effects looked at"}
"""Where the next look at old effects starts: some stay, and need not be looked at again."""
Part = Callable[[App, Session], tuple[int, bool]]
"""Lets go of some; returns how many, and whether there may be more."""


def tidy(app: App) -> Counter[str]:
    """Let go of what is older than the configuration keeps it; return how many of each."""
    gone: Counter[str] = Counter()
    for what, part in PARTS.items():
        more = True
        while more and not app.stopping.is_set():
            count, more = app.store.work(partial(part, app))
            gone[what] += count
    return gone


def over_before(app: App) -> datetime:
    """Return when a survey has to have been over for its effects to be let go.

    The key of an effect is what keeps its mail from being sent twice. So it stays for as long as
    an answer can be given or changed, and well beyond: complaints about a mail come late.
    """
    kept = timedelta(days=app.config.keep.effects_days)
    return app.now() - max(kept, timedelta(days=app.config.ask.change_days) + MARGIN)


def _mail_events(app: App, session: Session) -> tuple[int, bool]:
    """Let go of what the mail provider told, save where a mail is still in doubt."""
    before = app.now() - timedelta(days=app.config.keep.mail_events_days)
    in_doubt = exists().where(
        col(Effect.key) == col(MailEvent.effect_key), col(Effect.state) == EffectState.UNKNOWN
    )
    query = select(col(MailEvent.id)).where(col(MailEvent.at) < before, ~in_doubt)
    old = session.scalars(query.order_by(col(MailEvent.at)).limit(CHUNK)).all()
    return _let_go(session, MailEvent, old)


def _steps(app: App, session: Session) -> tuple[int, bool]:
    return _oldest(session, Step, col(Step.at), _before(app, app.config.keep.steps_days))


def _visits(app: App, session: Session) -> tuple[int, bool]:
    return _oldest(session, Visit, col(Visit.at), _before(app, app.config.keep.visits_days))


def _calls(app: App, session: Session) -> tuple[int, bool]:
    return _oldest(session, Call, col(Call.ended_at), _before(app, app.config.keep.calls_days))


def _before(app: App, days: int) -> datetime:
    return app.now() - timedelta(days=days)


def _oldest(
    session: Session, model: type[SQLModel], at: Mapped[Any], before: datetime
) -> tuple[int, bool]:
    """Let go of those of the oldest rows that are old enough; one without a time stays."""
    key = table(model).c.id
    first = session.execute(select(key, at).order_by(key).limit(CHUNK)).all()
    return _let_go(session, model, [row.id for row in first if row[1] and row[1] < before])


def _let_go(session: Session, model: type[SQLModel], ids: Sequence[str]) -> tuple[int, bool]:
    rows = table(model)
    for some in chunks(ids):
        session.connection().execute(delete(rows).where(rows.c.id.in_(some)))
    return len(ids), len(ids) == CHUNK


def _effects(app: App, session: Session) -> tuple[int, bool]:
    """Let go of effects whose survey has long been over, from where the last look ended."""
    place, before = session.get(Watermark, tuple(PLACE.values())), over_before(app)
    query = (
        select(col(Effect.id), col(Effect.kind), col(Effect.state), col(Effect.created_at))
        .add_columns(col(Survey.stage), col(Survey.expires_at))
        .outerjoin(Survey, col(Survey.id) == col(Effect.survey_id))
        .where(col(Effect.id) > (place.value if place else ""))
        .order_by(col(Effect.id))
        .limit(CHUNK)
    )
    old = list(takewhile(lambda row: _old(row, before), session.execute(query)))
    _let_go(session, Effect, [row.id for row in old if _over(row)])
    if old:
        row = PLACE | {"value": old[-1].id, "at": app.now()}
        upsert(session, Watermark, [row], key=list(PLACE), update=("value", "at"))
    return sum(map(_over, old)), len(old) == CHUNK


def _old(effect: Row[Any], before: datetime) -> bool:
    since: datetime = max(effect.created_at, effect.expires_at or effect.created_at)
    return since < before


def _over(effect: Row[Any]) -> bool:
    """Tell whether nothing can come of an old effect any more."""
    stays = effect.stage is None or effect.stage in UNDER_WAY or effect.kind in FOR_GOOD
    return not stays and effect.state in OVER


PARTS: Final[Mapping[str, Part]] = {
    "mail events": _mail_events,
    "effects": _effects,
    "calls": _calls,
    "steps": _steps,
    "visits": _visits,
}
