"""What each invented customer does with a mail, and what friends and owners do, all from a seed.

It depends on the seed and on an address alone, never on what happened before: so a demo that is
seeded ends the same way, whoever is served first.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from loop.demo import names, words
from loop.demo.people import local
from loop.states import Group

SCORES: Final = (2, 1, 2, 2, 2, 3, 5, 10, 16, 27, 30)
"""How often each score from 0 to 10 is given, in a hundred."""
COMMENTS: Final = {Group.PROMOTER: 0.45, Group.PASSIVE: 0.5, Group.DETRACTOR: 0.75}
"""The share of each group that writes something."""
CHANGED: Final = 0.06
STOPPED: Final = 0.03
SHARED: Final = 0.6
"""The share of promoters who pass their link on."""
VISITORS_MAX: Final = 3
JOINED: Final = 0.4
FINISHED: Final = 0.75
SCANNED: Final = 0.03
"""The share of mailboxes whose scanner opens every link before anybody reads the mail."""


class Deed(StrEnum):
    """What a customer does with the question."""

    ANSWER = "answer"
    IGNORE = "ignore"
    LEAVE_BY_PAGE = "leave by page"
    LEAVE_BY_CLICK = "leave by click"
    COMPLAIN = "complain"


DEEDS: Final = {
    Deed.ANSWER: 74,
    Deed.IGNORE: 19,
    Deed.LEAVE_BY_PAGE: 3,
    Deed.LEAVE_BY_CLICK: 2,
    Deed.COMPLAIN: 2,
}


@dataclass(frozen=True)
class Words:
    """A score, as it is sent, and a comment."""

    score: str
    comment: str = ""


@dataclass(frozen=True)
class Habit:
    """What one customer does."""

    deed: Deed
    said: Words = Words("")
    later: Words | None = None
    """What they say when they change their mind."""
    scanned: bool = False


@dataclass(frozen=True)
class Friend:
    """Somebody who follows a promoter's link."""

    first: str
    last: str
    email: str
    joins: bool


class Habits:
    """The habits of everybody in one demo."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def customer(self, address: str) -> Habit:
        """Return what the reader of this address does."""
        chance = self._chance("customer", address)
        deed = chance.choices(list(DEEDS), list(DEEDS.values()))[0]
        said = _words(chance)
        later = None
        if chance.random() < CHANGED:
            score = chance.randrange(11)
            later = Words(str(score), words.SECOND_THOUGHTS[Group.of(score)])
        if chance.random() < STOPPED:
            said, later = Words(said.score, chance.choice(words.STOP)), None
        return Habit(deed, said, later, scanned=chance.random() < SCANNED)

    def friends(self, address: str) -> list[Friend]:
        """Return who follows the link that the promoter of this address passes on."""
        chance = self._chance("friends", address)
        if chance.random() >= SHARED:
            return []
        count = chance.randint(1, VISITORS_MAX)
        domain = f"friends-{chance.randrange(10**6):06}.example"
        return [
            Friend(first, last, f"{local(first, last)}@{domain}", chance.random() < JOINED)
            for first, last in chance.sample(names.FRIENDS, count)
        ]

    def finishes(self, address: str) -> bool:
        """Tell whether the owner gets round to the task about this customer."""
        return self._chance("owner", address).random() < FINISHED

    def _chance(self, what: str, address: str) -> random.Random:
        words_ = f"{what}:{self._seed}:{address.strip().lower()}"
        return random.Random(words_)  # noqa: S311 - a play, no secret


def _words(chance: random.Random) -> Words:
    score = chance.choices(range(len(SCORES)), SCORES)[0]
    group = Group.of(score)
    says = chance.random() < COMMENTS[group]
    return Words(str(score), chance.choice(words.COMMENTS[group]) if says else "")
