"""What goes wrong how often: each run has its own mixture, so that each trouble has its runs."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """Chances, each of them 0 to 1."""

    crash: float = 0.0
    """At each commit and call: the process is gone."""
    meanwhile: float = 0.0
    """At each commit: the process stalls, and something else happens first."""
    stall: float = 0.0
    """The same at each call, before it is accepted and after it."""
    broken: float = 0.0
    """At each commit: the connection to the database breaks, before it or after it."""
    unavailable: float = 0.0
    """At each call: 429 or 503, now and then with a Retry-After."""
    quota: float = 0.0
    """At each call: the day's quota is spent, and stays so for hours."""
    unauthorized: float = 0.0
    """At each call: the key is no good for once."""
    doubtful: float = 0.0
    """At each call and mail: no answer comes, whether it was accepted or not."""
    refused: float = 0.0
    """At each item: not this one."""
    lost_event: float = 0.0
    """At each event of the mail provider: it never comes."""
    doubled_event: float = 0.0
    """At each event that is told: it is told twice at once, and once more."""
    many: bool = False
    """Several processes on one database, instead of one."""
    jumps: bool = False
    """The clock is set forward and back."""

    def calmed(self) -> "Troubles":
        """Return the same run in which nothing goes wrong."""
        return Troubles(many=self.many)


def drawn(chance: Random) -> Troubles:
    """Draw a run's mixture."""
    return Troubles(
        crash=chance.choice((0.0, 0.005, 0.02)),
        meanwhile=chance.choice((0.0, 0.01, 0.04)),
        stall=chance.choice((0.0, 0.05, 0.2)),
        broken=chance.choice((0.0, 0.0, 0.05)),
        unavailable=chance.choice((0.0, 0.02, 0.1)),
        quota=chance.choice((0.0, 0.0, 0.03)),
        unauthorized=chance.choice((0.0, 0.0, 0.02)),
        doubtful=chance.choice((0.0, 0.03, 0.15)),
        refused=chance.choice((0.0, 0.02, 0.1)),
        lost_event=chance.choice((0.0, 0.02, 0.5)),
        doubled_event=chance.choice((0.0, 0.2)),
        many=chance.random() < 0.6,  # noqa: PLR2004 - most of what goes wrong goes wrong there
        jumps=chance.random() < 0.5,  # noqa: PLR2004 - every other run
    )
