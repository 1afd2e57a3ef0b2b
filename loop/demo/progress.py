"""How far a demo has come, stage by stage: a few counts, cheap enough for several a second."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from loop import figures
from loop.demo.worlds import World
from loop.figures import Figure
from loop.models import Answer, Contact, Effect, Survey
from loop.states import EffectState, Group, Kind, Stage

WRITTEN: Final = (Kind.SCORE, Kind.HISTORY, Kind.ROLL_UP)
FOLLOWED: Final = (Kind.TASK, Kind.WORD)
REFERRED: Final = (Kind.INVITE, Kind.LEAD)
OPEN: Final = (EffectState.DUE, EffectState.CLAIMED)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many are through each stage, of how many."""

    stages: Mapping[str, tuple[int, int]]
    nps: Figure
    mail: Mapping[str, int]


def progress(world: World) -> Progress:
    """Count."""
    with world.app.store.read() as session:
        contacts = session.scalar(select(func.count()).select_from(Contact)) or 0
        stages = _counts(session, col(Survey.stage))
        scores = _counts(session, col(Answer.score))
        effects = _counts(session, col(Effect.kind), col(Effect.state))
    chosen, waiting = stages.total(), stages[Stage.CHOSEN]
    answered = scores.total()
    groups: Counter[Group] = Counter()
    for score, count in scores.items():
        groups[Group.of(score)] += count
    return Progress(
        stages={
            "pull": (contacts, contacts),
            "choose": (chosen, chosen),
            "ask": (chosen - waiting, chosen),
            "answer": (answered, chosen - waiting),
            "write_back": _through(effects, WRITTEN),
            "follow_up": _through(effects, FOLLOWED),
            "refer": _through(effects, REFERRED),
            "close": (stages[Stage.CLOSED], answered),
        },
        nps=figures.of_groups(groups),
        mail=world.mail.state.counts(),
    )


def _through(effects: Mapping[Any, int], kinds: Iterable[Kind]) -> tuple[int, int]:
    ours = {key: count for key, count in effects.items() if key[0] in kinds}
    total = sum(ours.values())
    return total - sum(count for (_, state), count in ours.items() if state in OPEN), total


def _counts(session: Session, *by: Any) -> Counter[Any]:  # noqa: ANN401 - columns
    rows = session.connection().execute(select(*by, func.count()).group_by(*by))
    return Counter({row[0] if len(by) == 1 else tuple(row[:-1]): row[-1] for row in rows})
