"""Verbs for tests of what goes out: whose turn it is, who has answered, how each effect ended."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from connectors.ports import Outcome
from loop.app import App
from loop.models import Effect, Survey
from loop.outbox import Handler
from loop.outbox.claim import Claimed, claim
from loop.schedule import HANDLERS
from loop.states import EffectState, Kind
from tests.loop.conftest import CRM, World

LETTERS: Final = "mail.letters"
SCORES: Final = f"{CRM}.scores"
TASKS: Final = f"{CRM}.tasks"


def chosen(world: World, people: int) -> None:
    """Let it be the turn of so many people."""
    for i in range(people):
        world.add(f"c{i}", f"p{i}@acme.example")
    world.pull()
    world.choose()


def answered(world: World, people: int, score: int = 3) -> None:
    """Let so many people have answered; nothing of it is delivered."""
    chosen(world, people)
    world.deliver()
    for survey in world.all(Survey):
        world.answer(score, survey=survey)


def sending(send: Callable[[Any, Sequence[Any]], Sequence[Outcome]]) -> Mapping[Kind, Handler]:
    """Return the handlers, with another way to send scores."""
    return {**HANDLERS, Kind.SCORE: replace(HANDLERS[Kind.SCORE], send=send)}


def of_kind(world: World, kind: Kind = Kind.ASK) -> list[Effect]:
    return [effect for effect in world.all(Effect) if effect.kind is kind]


def states(world: World, kind: Kind = Kind.ASK) -> Counter[EffectState]:
    return Counter(effect.state for effect in of_kind(world, kind))


def claimed(app: App, lane: str, size: int = 100) -> Claimed:
    """Claim a batch that there is."""
    made = claim(app, lane, size)
    assert made is not None
    return made


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, ten seconds at most."""
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError
