"""Who plays, and who does what: all invented, or people and answers from files."""

from collections.abc import Sequence
from dataclasses import dataclass

from loop.demo.habits import Habits
from loop.demo.people import Cast, cast
from loop.demo.play import Script
from loop.demo.worlds import World


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A cast, and what its people do."""

    cast: Cast
    script: Script
    notes: Sequence[str] = ()
    """What an operator should know about it."""
    per_account_max: int = 6

    def enter(self, world: World) -> list[str]:
        """Put everybody into the CRMs; return what a CRM would not take."""
        world.mail.state.bounce_when = lambda address: address.lower() in self.cast.dead
        refused = world.records.add(self.cast)
        return [f"{one.place or one.email}: not usable: {problem}" for one, problem in refused]


class Invented:
    """Everybody does as their habits are."""

    def __init__(self, seed: int) -> None:
        habits = Habits(seed)
        self.customer, self.friends, self.finishes = (
            habits.customer,
            habits.friends,
            habits.finishes,
        )

    def prepare(self, addresses: Sequence[str]) -> None:
        """Prepare nothing: everybody knows what to do."""

    def more(self) -> Cast | None:
        """Nobody else is needed."""
        return None

    def counts(self) -> dict[str, int]:
        """Nothing came in from files."""
        return {}


def invented(seed: int) -> Plot:
    """Return the plot that this seed invents."""
    return Plot(cast=cast(seed), script=Invented(seed))
